from __future__ import annotations

import pytest

from crmservice.microsoft.pace import MOST, WITHIN, Pace, Paces, TooSoon
from tests.support.graph import Clock


def never() -> bool:
    return False


def test_ten_thousand_in_ten_minutes_and_the_next_waits(clock: Clock, pace: Pace) -> None:
    for _ in range(MOST):
        assert pace.wait(0, never) == 0
    with pytest.raises(TooSoon):
        pace.wait(WITHIN - 1, never)
    assert pace.wait(WITHIN, never) == pytest.approx(WITHIN)
    assert clock.now == pytest.approx(WITHIN)


def test_an_earlier_end_does_not_shorten_a_longer_wait(clock: Clock, pace: Pace) -> None:
    pace.hold(100)
    pace.hold(1)
    assert pace.wait(200, never) == pytest.approx(100)


def test_one_who_is_no_longer_wanted_gives_up(clock: Clock, pace: Pace) -> None:
    pace.hold(100)
    with pytest.raises(TooSoon):
        pace.wait(200, lambda: clock.now >= 1)
    assert clock.now == 1


def test_a_mailbox_keeps_its_pace_for_the_life_of_the_process() -> None:
    paces = Paces()
    assert paces.of("home", "crm@firma.cz") is paces.of("home", "crm@firma.cz")
    assert paces.of("home", "crm@firma.cz") is not paces.of("home", "other@firma.cz")
