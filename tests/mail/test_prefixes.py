from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail import markers, prefixes
from crmservice.mail.keywords import DEFAULT, Keywords, with_own
from tests.mail.clock import assert_linear


@pytest.mark.parametrize(
    ("subject", "found", "rest"),
    [
        ("Nabídka", (), "Nabídka"),
        ("Re: Nabídka", ("Re:",), "Nabídka"),
        ("RE:Nabídka", ("RE:",), "Nabídka"),
        ("Re: FW: AW: Nabídka", ("Re:", "FW:", "AW:"), "Nabídka"),
        ("Re[2]: Nabídka", ("Re[2]:",), "Nabídka"),
        ("Re(3): Nabídka", ("Re(3):",), "Nabídka"),
        ("RE2: Nabídka", ("RE2:",), "Nabídka"),
        ("RE : Nabídka", ("RE :",), "Nabídka"),
        ("Odp: Předat: Př: Nabídka", ("Odp:", "Předat:", "Př:"), "Nabídka"),
        ("ODPOVED: Nabídka", ("ODPOVED:",), "Nabídka"),
        ("WG: Nabídka", ("WG:",), "Nabídka"),
        ("Re：Nabídka", ("Re：",), "Nabídka"),
        ("  Re:  ", ("Re:",), ""),
        ("Recept: knedlíky", (), "Recept: knedlíky"),
        ("Informace: den", (), "Informace: den"),
        ("[EXT] Re: Nabídka", (), "[EXT] Re: Nabídka"),
        ("", (), ""),
    ],
)
def test_prefixes_of_replies_and_forwards_are_told_from_the_subject(
    subject: str, found: tuple[str, ...], rest: str
) -> None:
    assert prefixes.strip(subject, DEFAULT) == (found, rest)


@pytest.mark.parametrize("word", DEFAULT.reply)
def test_every_reply_prefix_is_one(word: str) -> None:
    assert prefixes.is_reply(f"{word}: Fwd: x", DEFAULT)
    assert not prefixes.is_forward(f"{word}: Fwd: x", DEFAULT)


@pytest.mark.parametrize("word", DEFAULT.forward)
def test_every_forward_prefix_is_one(word: str) -> None:
    assert prefixes.is_forward(f"{word}: Re: x", DEFAULT)
    assert not prefixes.is_reply(f"{word}: Re: x", DEFAULT)


def test_a_subject_without_prefix_is_neither() -> None:
    assert not prefixes.is_reply("x", DEFAULT)
    assert not prefixes.is_forward("x", DEFAULT)


@pytest.mark.parametrize(
    ("subject", "rest"),
    [
        ("New task: x", "New task: x"),
        ("Fwd: FW: Př: New task: x", "New task: x"),
        ("Re: New task: x", None),
        ("Fwd: Re: New task: x", None),
    ],
)
def test_a_new_task_may_stand_behind_forwards_but_not_behind_a_reply(subject: str, rest: str | None) -> None:
    assert prefixes.behind_forwards(subject, DEFAULT) == rest


@pytest.mark.parametrize(
    ("subject", "rest"),
    [
        ("New task: Zavolat", "Zavolat"),
        ("NOVY  UKOL:Zavolat", "Zavolat"),
        ("Nový\u00a0úkol: Zavolat", "Zavolat"),
        ("No\u00advy\u0301 úkol: Zavolat", "Zavolat"),
        ("Ｎｅｗ ｔａｓｋ： Zavolat", "Zavolat"),
        ("New tasks: Zavolat", None),
        ("A new task: Zavolat", None),
        ("", None),
    ],
)
def test_the_beginning_of_a_subject_is_compared_folded(subject: str, rest: str | None) -> None:
    assert prefixes.begins_with(subject, DEFAULT.new_task) == rest


def test_the_longest_spelling_wins() -> None:
    assert prefixes.begins_with("Popis Problém č. 5", ("Popis", "Popis Problém č.")) == "5"


def test_a_spelling_ends_with_its_word() -> None:
    assert prefixes.begins_with("Info obchod", DEFAULT.info_about) is None
    assert prefixes.begins_with("Info o obchodu", DEFAULT.info_about) == "obchodu"
    assert prefixes.begins_with("Problem No.513", DEFAULT.problem) == "513"


@pytest.mark.parametrize("subject", ["Re: x", "RE: x", "Fwd: x", "fw: x"])
def test_what_the_manual_sends_on_is_known(subject: str) -> None:
    assert prefixes.begins_with(subject, prefixes.SENT_ON) == "x"


@pytest.mark.parametrize(
    "subject",
    [
        "nechci",
        "NECHCI!",
        "Re: Fwd: do  not send.",
        "„Neposílat“",
        "I DO NOT WANT",
        "ne\u00adposílat",
        "(Re: nechci)",
        "*** nechci ***",
    ],
)
def test_an_opt_out_is_the_whole_subject_less_prefixes_and_punctuation(subject: str) -> None:
    assert prefixes.is_exactly(subject, DEFAULT.opt_out, DEFAULT)


@pytest.mark.parametrize("subject", ["nechci auto", "do not send the offer yet", "", "!!!", "Re:", "to nechci"])
def test_an_opt_out_is_no_part_of_a_subject(subject: str) -> None:
    assert not prefixes.is_exactly(subject, DEFAULT.opt_out, DEFAULT)


@given(
    st.lists(st.sampled_from(["Re:", "FW: ", "Odp: ", "Re[3]:", "AW : ", " Fwd:"]), max_size=6), st.text(max_size=20)
)
def test_stripping_is_total_and_leaves_nothing_to_strip(found: list[str], rest: str) -> None:
    stripped, left = prefixes.strip("".join(found) + rest, DEFAULT)
    assert len(stripped) >= len(found)
    assert prefixes.strip(left, DEFAULT) == ((), left)


@pytest.mark.parametrize("unit", ["Re:", "Re ", "Re\u0301", "Re[", " ", "\u00ad", "R"])
def test_a_hostile_subject_takes_linear_time(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        subject = unit * (size // len(unit))
        return lambda: (
            prefixes.strip(subject, DEFAULT),
            prefixes.begins_with(subject, DEFAULT.new_task),
            prefixes.is_exactly(subject, DEFAULT.opt_out, DEFAULT),
        )

    # A header block ends at 256 KB.
    assert_linear(work, 256 * 1024)


@pytest.mark.parametrize("run", [".", "_", " ", "\u00ad", "=", "Re:", ":"])
@pytest.mark.parametrize(
    ("before", "behind"), [("x", "x"), ("Re: x", "x"), ("Re: Re", "x"), ("Re: Re", " :x"), ("", "x")]
)
def test_a_run_between_letters_takes_linear_time(before: str, run: str, behind: str) -> None:
    def work(size: int) -> Callable[[], object]:
        subject = before + run * (size // len(run)) + behind
        return lambda: (prefixes.strip(subject, DEFAULT), prefixes.is_exactly(subject, DEFAULT.opt_out, DEFAULT))

    assert_linear(work, 20_000, bound=0.2)


OWN = with_own({"contract": ("číslo zakázky",), "problem": ("a b c d e",), "reply": ("v odpověď na",)})


def runs(word: str, size: int) -> list[str]:
    """The word, cut behind each of its letters by a run of what the pattern could read in two ways, and no end."""
    return [
        word[:end] + run * (size // len(run)) + word[end:] + behind
        for end in range(1, len(word) + 1)
        for run in ("\u00ad", " ", "\u00ad ", word[end - 1])
        for behind in ("", "x:")
    ]


@pytest.mark.parametrize("field", [field.name for field in fields(Keywords)])
def test_no_keyword_has_a_run_within_it_that_takes_more_than_linear_time(field: str) -> None:
    spellings: tuple[str, ...] = getattr(OWN, field)

    def work(size: int) -> Callable[[], object]:
        texts = [text for word in spellings for text in runs(word, size)]
        return lambda: [
            (
                prefixes.strip(f"Re: {text}", OWN),
                prefixes.begins_with(text, spellings),
                markers.scan("", text, text, OWN),
            )
            for text in texts
        ]

    # Each spelling has some hundred texts; one that takes quadratic time costs more than all the others.
    assert_linear(work, 4_000, bound=0.1 * len(spellings))


@given(
    word=st.sampled_from([*DEFAULT.new_task, *DEFAULT.problem, *DEFAULT.info_about, *prefixes.SENT_ON]),
    upper=st.lists(st.booleans(), min_size=40, max_size=40),
    junk=st.lists(st.sampled_from(["", "", "\u00ad", "\u200b", "\u0301"]), min_size=40, max_size=40),
    blank=st.sampled_from(["", " ", "\u00a0", "\t\u200b"]),
)
def test_however_it_is_spelled_a_beginning_is_found(word: str, upper: list[bool], junk: list[str], blank: str) -> None:
    letters = (c.upper() if up else c for c, up in zip(word, upper, strict=False))
    spelled = "".join(c + j for c, j in zip(letters, junk, strict=False))
    assert prefixes.begins_with(f"{blank}{spelled} dotaz", [word]) == "dotaz"
    assert prefixes.begins_with(f"x{spelled} dotaz", [word]) is None
    assert prefixes.begins_with(f"{spelled} dotaz", ["jiné"]) is None
