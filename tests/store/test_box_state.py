"""How a box fares is written by its cycles; that its file is bad is its reader's word."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from crmservice.store import box_state
from crmservice.store.box_state import State
from crmservice.words import Words

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FAULT = Words("the server {server} refuses", server="mail.firma.cz")
FAILING = State("crm", "failing", NOON, None, FAULT, permanent=True, failing_since=NOON, failures=3)


def test_a_state_comes_back_as_it_was_written(home: Path) -> None:
    assert box_state.read("crm") == State("crm")
    box_state.write(FAILING)
    assert box_state.read("crm") == FAILING
    box_state.write(State("crm", "ok", NOON, NOON))
    assert box_state.read_all() == [State("crm", "ok", NOON, NOON)]


def test_a_cycle_does_not_hide_that_the_file_is_bad(home: Path) -> None:
    box_state.write(State("crm", "ok", NOON, NOON))
    box_state.bad_file("crm", FAULT)
    box_state.write(State("crm", "ok", NOON, NOON))
    assert box_state.read("crm") == State("crm", "bad-file", NOON, NOON, FAULT, permanent=True)
    box_state.good_file("crm")
    assert box_state.read("crm") == State("crm", "ok", NOON, NOON)


def test_mended_while_it_fails_it_fails_still(home: Path) -> None:
    box_state.bad_file("crm", Words("no XML"))
    box_state.write(FAILING)
    box_state.good_file("crm")
    assert box_state.read("crm").kind == "failing"
    box_state.good_file("crm")  # of a box that is in order it says nothing
    box_state.good_file("unknown")
    assert [state.box for state in box_state.read_all()] == ["crm"]
