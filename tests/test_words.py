"""Sentences are English as text and another language where they are shown."""

from __future__ import annotations

import json
from pathlib import Path

from crmservice.errors import BadConfiguration, CrmServiceError, TryLater
from crmservice.words import Words, in_language, joined, library_words, packed, unpacked

CZECH = {"{file} can't be read: {why}": "{file} nejde přečíst: {why}", "no access": "bez přístupu"}


def czech(text: str) -> str:
    return CZECH.get(text, text)


def test_a_fact_that_is_words_is_translated_with_its_sentence() -> None:
    words = Words("{file} can't be read: {why}", file="a.xml", why=Words("no access"))
    assert (str(words), words.translated(czech)) == (
        "a.xml can't be read: no access",
        "a.xml nejde přečíst: bez přístupu",
    )


def test_what_somebody_else_says_is_never_a_template() -> None:
    for said in ("{file.__class__}", "{", "100 %"):
        words = Words("{file} can't be read: {why}", file="a", why=library_words(said))
        assert words.translated(czech) == f"a nejde přečíst: {said}"


def test_joined_parts_stay_translatable() -> None:
    assert joined(": ", ["{", Words("no access"), 3]).translated(czech) == "{: bez přístupu: 3"
    assert str(joined("\n", [])) == ""


def test_a_fault_says_its_words_else_its_docstring() -> None:
    assert str(BadConfiguration("{file} is gone", file="{a}").words) == "{a} is gone"
    assert str(TryLater()) == TryLater.__doc__


def test_a_fault_may_know_better_than_its_class_whether_trying_again_helps() -> None:
    assert [CrmServiceError("a", permanent=False).permanent, CrmServiceError("a").permanent] == [False, True]
    assert TryLater("a", permanent=True).permanent


def test_words_survive_json_with_the_words_inside_them() -> None:
    words = Words("{file} can't be read: {why} ({size:.1f})", file="a.xml", why=Words("no access"), size=2.25)
    again = unpacked(json.loads(json.dumps(packed(words))))
    assert again == words
    assert isinstance(again, Words)
    assert again.translated(czech).startswith("a.xml can't be read: bez přístupu")


def test_what_is_not_words_comes_back_as_a_number_or_a_text() -> None:
    assert [unpacked(json.loads(json.dumps(packed(fact)))) for fact in (3, 0.5, "a", Path("/b"))] == [3, 0.5, "a", "/b"]


def test_a_language_without_a_catalogue_is_english() -> None:
    assert in_language("xx")("FAULT") == "FAULT"
    assert in_language("cs")("FAULT") == "CHYBA"


def test_a_text_in_quotes_is_one_line_and_keeps_its_backslashes() -> None:
    assert str(Words("{value!r} is no path", value="C:\\crm\\eml")) == "'C:\\crm\\eml' is no path"
    assert str(Words("{value!r}", value="a\nb\x1b[2J'")) == '"a\\nb\\x1b[2J\'"'
    assert str(Words("{value!r} {value}", value=3)) == "3 3"
