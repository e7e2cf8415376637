from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.config import Box, paused

PRAGUE = ZoneInfo("Europe/Prague")
MINUTES = 24 * 60


def box(start: int, stop: int, zone: ZoneInfo = PRAGUE) -> Box:
    return Box("crm", "crm@firma.cz", zone=zone, stop_from=time(*divmod(start, 60)), stop_to=time(*divmod(stop, 60)))


def pause_minutes(start: int, stop: int) -> set[int]:
    """The model: walk the clock's face from start to stop."""
    minutes = set()
    at = start
    while at != stop:
        minutes.add(at)
        at = (at + 1) % MINUTES
    return minutes


minute = st.integers(0, MINUTES - 1)
days = st.sampled_from(
    [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)]
)


@given(start=minute, stop=minute, day=days, zone=st.sampled_from(["Europe/Prague", "America/New_York", "UTC"]))
def test_the_pause_is_the_walk_round_the_clock_face_on_any_day(start: int, stop: int, day: datetime, zone: str) -> None:
    model = pause_minutes(start, stop)
    one = box(start, stop, ZoneInfo(zone))
    for passed in range(-MINUTES, 2 * MINUTES, 7):
        now = day + timedelta(minutes=passed, seconds=59)
        wall = now.astimezone(ZoneInfo(zone))
        assert paused(one, now) == (wall.hour * 60 + wall.minute in model)


def paused_minutes_of(day: datetime, one: Box) -> int:
    start = day.astimezone(UTC)
    end = (day + timedelta(days=1)).astimezone(UTC)
    return sum(paused(one, start + timedelta(minutes=n)) for n in range(int((end - start).total_seconds() // 60)))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (datetime(2026, 3, 28, tzinfo=PRAGUE), 60),
        (datetime(2026, 3, 29, tzinfo=PRAGUE), 0),
        (datetime(2026, 10, 24, tzinfo=PRAGUE), 60),
        (datetime(2026, 10, 25, tzinfo=PRAGUE), 120),
    ],
)
def test_the_hour_that_is_missing_or_there_twice_is_paused_as_often_as_it_is(day: datetime, expected: int) -> None:
    assert paused_minutes_of(day, box(120, 180)) == expected


def test_equal_times_mean_no_pause() -> None:
    assert paused_minutes_of(datetime(2026, 7, 1, tzinfo=PRAGUE), box(360, 360)) == 0


def test_a_box_without_times_is_never_paused() -> None:
    assert not paused(Box("crm", "crm@firma.cz"), datetime(2026, 7, 1, tzinfo=UTC))
