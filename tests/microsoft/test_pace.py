from __future__ import annotations

import pytest

from crmservice.microsoft.pace import MOST, WITHIN, Pace, Paces, TooSoon
from tests.support.graph import Clock


def never() -> bool:
    return False


def test_no_ten_minutes_see_more_than_ten_thousand_and_no_wait_is_long(clock: Clock, pace: Pace) -> None:
    sent = []
    longest = 0.0
    while clock.now < 3 * WITHIN:
        longest = max(longest, pace.wait(10, never))
        sent.append(clock.now)
    assert longest < 1
    assert len(sent) > 2 * MOST
    assert all(later - earlier >= WITHIN for earlier, later in zip(sent, sent[MOST:], strict=False))


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
