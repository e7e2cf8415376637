from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.keywords import DEFAULT, with_own
from crmservice.mail.markers import MAX_MARKERS, MAX_NUMBER, Marker, read_tail, scan
from tests.mail.clock import allowed, assert_linear, cpu_seconds

KINDS = ("contract", "order", "task")
SPELLINGS = [(kind, word) for kind in KINDS for word in getattr(DEFAULT, kind)]
TYPES = {
    "documentation": "Documentation",
    "obchodni": "Obchodní",
    "obchodni jednani": "Obchodní jednání",
    "e-mail": "E-mail",
    "telefon (prichozi)": "Telefon (příchozí)",
}


def in_body(text: str) -> list[tuple[str, str]]:
    return [(marker.kind, marker.numbers[0]) for marker in scan("", text, text, DEFAULT)]


@pytest.mark.parametrize(("kind", "word"), SPELLINGS)
@pytest.mark.parametrize("space", ["", " ", "\u00a0", "\t", "  "])
def test_every_keyword_marks_with_and_without_a_space(kind: str, word: str, space: str) -> None:
    expected = (Marker(kind, ("123",), " p1", "subject"),)  # type: ignore[arg-type]
    for spelled in (word, word.upper(), word.capitalize()):
        assert scan(f"{spelled}:{space}123 p1", "", "", DEFAULT) == expected


@pytest.mark.parametrize(
    "text",
    [
        "zakazka:123",
        "C\u200bontract:123",
        "Con\u00adtract\u00ad:123",
        "Zakázka：123",
        "Zaka\u0301zka: 123",
        "Ｚａｋáｚｋａ:１２３",
        "𝐂𝐨𝐧𝐭𝐫𝐚𝐜𝐭:𝟏𝟐𝟑",
        "Contract:1\u200b23",
        "(contract:123)",
        "_contract:123",
        "Zakázka:\n123",
        "viz\u00a0zak:123,",
    ],
)
def test_folding_hides_no_marker(text: str) -> None:
    assert in_body(text) == [("contract", "123")]


@pytest.mark.parametrize(
    "text",
    [
        "xcontract:123",
        "éprojekt:1",
        "5task:7",
        "pod\u00adzakázka:6",
        "contract 123",
        "contract :123",
        "contract:",
        "contract: \n\n123",
        "contract:---",
        "order: ...",
        "contracts:123",
        "contract:" + "1" * (MAX_NUMBER + 1),
    ],
)
def test_what_is_no_marker_by_the_grammar_is_none(text: str) -> None:
    assert in_body(text) == []


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("123", ("123",)),
        ("2026-15", ("2026-15",)),
        ("A_1/b.2", ("A_1/b.2",)),
        ("123.", ("123.", "123")),
        ("123./-", ("123./-", "123./", "123.", "123")),
        ("ŽĎ12", ("ŽĎ12",)),
        ("12\u201115", ("12-15",)),
        ("123,", ("123",)),
        ("123)", ("123",)),
    ],
)
def test_a_number_may_do_without_its_trailing_punctuation(written: str, numbers: tuple[str, ...]) -> None:
    assert scan(f"Contract: {written}", "", "", DEFAULT)[0].numbers == numbers


def test_the_tail_follows_the_punctuation_that_a_number_drops() -> None:
    assert [m.tail for m in scan("", "Contract:123. Documentation p1\nnext", "", DEFAULT)] == [" Documentation p1"]


def test_the_subject_comes_first_and_the_body_in_its_order() -> None:
    text = "Order:5 and task:77\nProjekt: 9"
    markers = scan("Re: zak:1", text, text, DEFAULT)
    assert [(m.kind, m.numbers[0], m.where) for m in markers] == [
        ("contract", "1", "subject"),
        ("order", "5", "body"),
        ("task", "77", "body"),
        ("contract", "9", "body"),
    ]


def test_a_marker_outside_the_fresh_part_is_quoted() -> None:
    text = "Contract:1 p1\n\n> Contract:2 p2\n> Contract:1 p1"
    assert [(m.numbers[0], m.where) for m in scan("", text, "Contract:1 p1", DEFAULT)] == [
        ("1", "body"),
        ("2", "quoted"),
        ("1", "quoted"),
    ]


def test_without_a_fresh_part_everything_is_quoted() -> None:
    assert [m.where for m in scan("", "Contract:1", "", DEFAULT)] == ["quoted"]


@pytest.mark.parametrize(
    "subject",
    [
        "Nový úkol: 5 věcí",
        "New task: 77",
        "NOVY  UKOL:77",
        "Re: New task: 77",
        "FW: Př: Nový úkol: 77",
        "Problem No. 5",
    ],
)
def test_the_words_of_new_tasks_and_problems_at_the_start_are_no_marker(subject: str) -> None:
    assert scan(subject, "", "", DEFAULT) == ()


def test_a_marker_behind_those_words_is_one() -> None:
    assert [(m.kind, m.numbers) for m in scan("New task: Zavolat, zak:5", "", "", DEFAULT)] == [("contract", ("5",))]


def test_those_words_elsewhere_are_a_marker() -> None:
    assert [m.kind for m in scan("Hotovo: nový úkol: 77", "Nový úkol: 78", "", DEFAULT)] == ["task", "task"]


def test_a_number_that_is_a_keyword_hides_no_marker() -> None:
    assert in_body("Projekt:zakázka:123") == [("contract", "zakázka"), ("contract", "123")]


def test_a_deployment_may_have_words_of_its_own() -> None:
    words = with_own({"contract": ("číslo akce", "Straße", "profil")})
    assert [m.numbers[0] for m in scan("Cislo\u00a0 AKCE:1 STRASSE:2 straße:3 proﬁl:4", "", "", words)] == [
        "1",
        "2",
        "3",
        "4",
    ]


def test_a_mail_that_guesses_numbers_yields_no_more_than_the_limit() -> None:
    text = "\n".join(f"Contract:{number} p9" for number in range(2 * MAX_MARKERS))
    assert len(scan("Contract:1", text, text, DEFAULT)) == MAX_MARKERS


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("", (None, None)),
        (" ", (None, None)),
        (" Documentation", ("Documentation", None)),
        (" DOCUMENTATION p1", ("Documentation", "p1")),
        (" obchodni  jednani p1", ("Obchodní jednání", "p1")),
        (" Obchodní schůzka p1", ("Obchodní", None)),
        (" Obchodní p1) atd", ("Obchodní", "p1")),
        (" Telefon (příchozí) p-", ("Telefon (příchozí)", "p-")),
        (" E-mail, p1", ("E-mail", None)),
        (" Documentation.", ("Documentation", None)),
        (" neznámý typ p1", (None, None)),
        (" p1", (None, "p1")),
        ("\u00a0P3 zbytek", (None, "p3")),
        (" p-", (None, "p-")),
        (" p-.", (None, "p-")),
        (" p0!", (None, "p0")),
        (" p12", (None, None)),
        (" p-1", (None, None)),
        (" p1a", (None, None)),
        (" p", (None, None)),
        (" pp", (None, None)),
        ("p1", (None, None)),
        (", p1", (None, None)),
        (") Documentation", (None, None)),
    ],
)
def test_type_and_scope_follow_the_number(tail: str, expected: tuple[str | None, str | None]) -> None:
    assert read_tail(tail, TYPES) == expected


def decorated(word: str) -> st.SearchStrategy[str]:
    """The word in another spelling that folds to the same."""
    marks = st.sampled_from(["", "", "", "\u00ad", "\u200b", "\u0301", "\u030c", "\u2060"])
    letter = st.sampled_from([str.lower, str.upper, lambda c: chr(ord(c) + 0xFEE0) if c.isascii() else c])
    return st.lists(st.tuples(marks, letter), min_size=len(word), max_size=len(word)).map(
        lambda how: "".join(change(c) + mark for c, (mark, change) in zip(word, how, strict=True))
    )


@given(st.sampled_from(SPELLINGS).flatmap(lambda pair: st.tuples(st.just(pair[0]), decorated(pair[1]))))
def test_every_spelling_that_folds_to_a_keyword_is_one(found: tuple[str, str]) -> None:
    kind, word = found
    assert in_body(f"viz {word}: X-1 dál") == [(kind, "X-1")]


@given(st.text(), st.text(), st.text())
def test_scanning_is_total_and_finds_the_same_twice(subject: str, text: str, fresh: str) -> None:
    first = scan(subject, text, fresh, DEFAULT)
    assert first == scan(subject, text, fresh, DEFAULT)
    assert all(
        len(getattr(marker, field.name)) > 0 or field.name == "tail" for marker in first for field in fields(marker)
    )


@given(st.text(alphabet="contrazk:p19-. \nČřÁ\u00ad", max_size=60), st.sampled_from(list(TYPES)))
def test_reading_a_tail_is_total(tail: str, name: str) -> None:
    kind, scope = read_tail(tail, TYPES)
    assert kind is None or kind in TYPES.values()
    assert scope is None or (len(scope) == 2 and scope[0] == "p")
    assert read_tail(f" {name} p1", TYPES) == (TYPES[name], "p1")


HOSTILE = [
    "Contract:",
    "xContract:",
    "Zakázka :",
    "contract:a/",
    "contrac ",
    "t ",
    "c\u0301",
    "c\u00ad",
    "zak:\n",
    "zak:1 p",
    "ß:",
    "ﬁ",
    "ﷺ:",
    "𝐜:",
    "é",
    ":",
    "New task:",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = unit * (size // len(unit))
        return lambda: scan(text, text, text, DEFAULT)

    # Subject and body are both hostile here: twice the 100 ms that a megabyte may take, with room for slow machines.
    assert_linear(work, bound=1.0)


@pytest.mark.parametrize(
    "text",
    [
        "contract" + " " * 10**6 + "x",
        "contract:" + " " * 10**6 + "x",
        "contract:" + "1" * 10**6,
        "c" + "\u00ad" * 10**6,
    ],
)
def test_a_long_run_is_crossed_once(text: str) -> None:
    assert cpu_seconds(lambda: scan(text, text, text, DEFAULT)) < allowed(1.0)
