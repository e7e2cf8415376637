"""Every case holds, with a cycle for each mail and with all mail in one cycle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance import runner

CASES = [runner.read(path) | {"name": path.stem} for path in runner.cases()]


def those(way: str) -> list[object]:
    """The cases that may run this way."""
    return [pytest.param(case, id=case["name"]) for case in CASES if case.get(way, True)]


@pytest.mark.parametrize("case", those("one_by_one"))
def test_a_case_holds_mail_by_mail(case: dict[str, object], new_home: Callable[[], Path]) -> None:
    runner.run(case, new_home(), together=False)


@pytest.mark.parametrize("case", those("together"))
def test_a_case_holds_in_one_cycle(case: dict[str, object], new_home: Callable[[], Path]) -> None:
    runner.run(case, new_home(), together=True)


def test_there_are_cases_and_each_says_what_it_states() -> None:
    assert len(CASES) >= 40
    assert len({case["title"] for case in CASES}) == len(CASES)
    assert all(case["title"] and case["spec"] for case in CASES)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"log": ["A", "B"]}, {"log": ["B", "A"]}), ({"log": ["A"]}, {"log": ["A", "B"]}), ([{"a": 1}], [{"a": 2}]),
        ({"a": "null"}, {"a": "x"}), ({"a": "set"}, {"a": None}), ({"a": "contains:x"}, {"a": "y"}), ([1, 1], [1, 2]), ([], [1]),
    ],
)  # fmt: skip
def test_the_runner_sees_a_difference(expected: object, actual: object) -> None:
    assert not runner.holds(expected, actual)


def test_the_runner_finds_a_place_for_each_row() -> None:
    assert runner.holds([{"a": 1}, {"a": 1, "b": 2}], [{"a": 1, "b": 2}, {"a": 1, "b": 3}])
    assert runner.holds({"a": "null", "b": "set", "c": "contains:x"}, {"b": 0, "c": "axb"})


def test_a_case_that_falls_short_is_said_so(new_home: Callable[[], Path]) -> None:
    case = {"mail": [{"eml": "From: jana@acme.cz\nTo: novak@firma.cz\n\nx"}], "expect": {"activities": []}}
    with pytest.raises(AssertionError, match="activities: 0 expected"):
        runner.run(case, new_home(), together=False)
