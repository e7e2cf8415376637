"""The coverage floors are seen to be missed when they are missed."""

from __future__ import annotations

from typing import Any

from tools import coverage_floor


def summary(lines: int, branches: int) -> dict[str, Any]:
    """Totals of a report with a hundred statements and a hundred branches."""
    return {"covered_lines": lines, "num_statements": 100, "covered_branches": branches, "num_branches": 100}


def test_a_project_on_its_floors_is_let_by() -> None:
    assert coverage_floor.missed_floors(summary(lines=90, branches=85)) == []


def test_lines_and_branches_have_floors_of_their_own() -> None:
    assert coverage_floor.missed_floors(summary(lines=89, branches=100)) == ["lines: 89.0 % covered, 90 % wanted"]
    assert coverage_floor.missed_floors(summary(lines=100, branches=84)) == ["branches: 84.0 % covered, 85 % wanted"]


def test_an_untaken_branch_of_the_store_is_named() -> None:
    files = {"src/crmservice/store/access.py": {"missing_branches": [[10, 12], [14, -3]]}}
    (said,) = coverage_floor.missed_branches(files)
    assert said == "src/crmservice/store/access.py: every branch must be tested; not taken: 10 -> 12, 14 -> exit"


def test_an_untaken_branch_elsewhere_counts_in_the_floor_alone() -> None:
    assert coverage_floor.missed_branches({"src/crmservice/cli/app.py": {"missing_branches": [[1, 2]]}}) == []


def test_an_empty_project_misses_nothing() -> None:
    empty = {"covered_lines": 0, "num_statements": 0, "covered_branches": 0, "num_branches": 0}
    assert coverage_floor.missed_floors(empty) == []
