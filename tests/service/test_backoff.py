"""After a fault it is tried again with growing patience, never in a fast loop, and soon enough once it is over."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.service.backoff import Turn, after_fault
from crmservice.sources import SourceError


class Passing(SourceError):
    permanent = False


class Permanent(SourceError):
    permanent = True


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def turn(poll: float = 300) -> tuple[Turn, Clock]:
    clock = Clock()
    return Turn(poll, clock, middle), clock


@pytest.mark.parametrize(
    ("permanent", "waits"),
    [(False, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]), (True, [300, 600, 1200, 1800, 1800])],
)
def test_the_wait_doubles_up_to_a_limit(permanent: bool, waits: list[float]) -> None:
    assert [after_fault(permanent, n, 300, middle) for n in range(1, len(waits) + 1)] == waits


@given(st.booleans(), st.integers(1, 10_000), st.floats(1, 86_400))
def test_never_a_fast_loop_and_a_passing_fault_costs_less_than_two_cycles(permanent: bool, n: int, poll: float) -> None:
    wait = after_fault(permanent, n, poll)
    assert 0.8 <= wait <= 1.2 * max(poll, 1800 if permanent else poll)


def test_boxes_that_failed_together_do_not_come_back_together() -> None:
    assert len({after_fault(False, 9, 300) for _ in range(20)}) == 20


def test_a_success_forgets_the_faults() -> None:
    one, clock = turn()
    waits = []
    for _ in range(4):
        one.failed(Passing("away"))
        waits.append(one.left())
        clock.now += one.left()
        assert one.due()
    assert all(later > sooner for sooner, later in pairwise(waits))
    one.went_well()
    assert one.fault is None
    assert 270 <= one.left() <= 300
    one.failed(Passing("away"))
    assert one.left() == waits[0]


def test_a_fault_of_the_other_kind_begins_its_own_count() -> None:
    one, _clock = turn()
    for _ in range(3):
        one.failed(Permanent("wrong password"))
    one.failed(Passing("away"))
    assert one.left() == 1


def test_a_nudge_does_not_hurry_what_failed() -> None:
    one, _clock = turn()
    one.failed(Permanent("wrong password"))
    one.now()
    assert one.left() == 300
    one.went_well()
    one.now()
    assert one.due()


def test_a_server_that_asks_to_be_left_alone_is() -> None:
    fault = Passing("throttled")
    fault.retry_after = 120.0
    one, _clock = turn()
    one.failed(fault)
    assert one.left() == 120
