from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.text import fold, strip_controls
from tests.mail.clock import allowed, cpu_seconds


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Zakázka", "zakazka"),
        ("ŘEŘICHA", "rericha"),
        ("Zakázka：5", "zakazka:5"),
        ("C\u200bontract", "contract"),
        ("ne\u00adposílat", "neposilat"),
        ("a\u0301\u0323", "a"),
        ("straße", "strasse"),
        ("\tNew \u00a0\r\n task: ", "new task:"),
        ("Ａｂｃ", "abc"),
        ("", ""),
    ],
)
def test_case_marks_forms_and_spaces_do_not_count(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_a_folded_text_folds_to_itself(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_ascii_takes_the_same_road_as_the_rest(text: str) -> None:
    assert fold(text + " é") == fold(fold(text) + " e")


def test_a_megabyte_of_marks_folds_in_linear_time() -> None:
    marks = "\u0301\u0323" * 500_000
    assert fold(marks) == ""
    assert cpu_seconds(lambda: fold(marks)) < allowed(2)


def test_control_characters_become_visible() -> None:
    assert strip_controls("a\r\nBcc: b\x00\u2028\x1b[2J") == "a\ufffd\ufffdBcc: b\ufffd\ufffd\ufffd[2J"


def test_an_ordinary_line_is_left_alone() -> None:
    assert strip_controls("Zakázka 5") == "Zakázka 5"
