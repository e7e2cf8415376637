"""The next occurrences of a series: right by the wall clock, equal to dateutil's, and bounded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from crmservice.mail.message import CalendarEvent
from crmservice.mail.recurrence import defect, next_occurrences
from tests.mail.clock import allowed, cpu_seconds

YEAR = timedelta(days=365)


def series(rule: str, starts: date = datetime(2026, 3, 16, 8, tzinfo=UTC), **more: object) -> CalendarEvent:
    facts = {"uid": "u", "rule": rule, "starts": starts, "zone": "Europe/Prague"} | more
    return CalendarEvent(**facts)  # type: ignore[arg-type]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_a_weekly_meeting_keeps_its_wall_time_over_the_change_of_clocks() -> None:
    found = next_occurrences(series("FREQ=WEEKLY;BYDAY=MO"), utc(2026, 3, 20), 3, YEAR)
    assert found == (utc(2026, 3, 23, 8), utc(2026, 3, 30, 7), utc(2026, 4, 6, 7))


def test_a_meeting_in_the_hour_that_is_skipped_uses_the_offset_before_it() -> None:
    event = series("FREQ=DAILY", utc(2026, 3, 28, 1, 30))
    assert next_occurrences(event, utc(2026, 3, 29), 2, YEAR) == (utc(2026, 3, 29, 1, 30), utc(2026, 3, 30, 0, 30))


def test_a_zone_of_a_vtimezone_is_as_good_as_a_name() -> None:
    event = series("FREQ=WEEKLY", zone="XST-1XDT-2,M3.5.0/2,M10.5.0/3")
    assert next_occurrences(event, utc(2026, 3, 20), 2, YEAR) == (utc(2026, 3, 23, 8), utc(2026, 3, 30, 7))


def test_excluded_and_moved_and_cancelled_occurrences_are_respected() -> None:
    event = series("FREQ=WEEKLY;COUNT=4", excluded=("2026-03-16T08:00:00+00:00",))
    moved = series("", utc(2026, 3, 24, 13), occurrence="2026-03-23T08:00:00+00:00")
    gone = series("", utc(2026, 3, 30, 7), occurrence="2026-03-30T07:00:00+00:00", cancelled=True)
    foreign = series("", utc(2026, 3, 25), occurrence="2026-04-06T07:00:00+00:00", uid="another")
    found = next_occurrences(event, utc(2026, 1, 1), 10, YEAR, [moved, gone, foreign])
    assert found == (utc(2026, 3, 24, 13), utc(2026, 4, 6, 7))


def test_an_all_day_series_gives_dates() -> None:
    event = series("FREQ=YEARLY", date(2026, 3, 29), all_day=True, zone="", excluded=("2027-03-29",))
    assert next_occurrences(event, utc(2026, 1, 1), 2, 4 * YEAR) == (date(2026, 3, 29), date(2028, 3, 29))


def test_a_single_event_occurs_once() -> None:
    event = series("")
    assert next_occurrences(event, utc(2026, 1, 1), 5, YEAR) == (event.starts,)
    assert next_occurrences(event, utc(2026, 4, 1), 5, YEAR) == ()
    assert next_occurrences(series("", None), utc(2026, 1, 1), 5, YEAR) == ()  # type: ignore[arg-type]


def test_a_cancelled_series_does_not_occur() -> None:
    assert next_occurrences(series("FREQ=DAILY", cancelled=True), utc(2026, 4, 1), 5, YEAR) == ()


def test_a_series_of_decades_is_found_today() -> None:
    event = series("FREQ=DAILY", utc(1970, 1, 1, 8))
    assert next_occurrences(event, utc(2026, 7, 1), 1, YEAR) == (utc(2026, 7, 1, 7),)


def test_the_last_day_of_each_month_as_exchange_means_it() -> None:
    event = series("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", utc(2027, 1, 31, 9))
    days = [start.day for start in next_occurrences(event, utc(2027, 1, 1), 4, YEAR)]
    assert days == [31, 28, 31, 30]


def test_the_first_working_day_comes_once_a_month() -> None:
    event = series("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", utc(2026, 1, 1, 9))
    found = next_occurrences(event, utc(2026, 1, 1), 4, YEAR)
    assert [(start.month, start.day) for start in found] == [(1, 1), (2, 2), (3, 2), (4, 1)]


@pytest.mark.parametrize("until", ["20260331", "20260330T070000Z", "20260330T090000"])
def test_until_includes_its_own_day_or_moment(until: str) -> None:
    found = next_occurrences(series(f"FREQ=WEEKLY;UNTIL={until}"), utc(2026, 1, 1), 9, YEAR)
    assert found[-1] == utc(2026, 3, 30, 7)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("FREQ=SECONDLY", "rule-too-frequent"),
        ("FREQ=MINUTELY;INTERVAL=5", "rule-too-frequent"),
        ("FREQ=HOURLY", "rule-too-frequent"),
        ("FREQ=DAILY;BYHOUR=1,2,3", "rule-too-frequent"),
        ("FREQ=YEARLY;BYWEEKNO=20", "rule-unsupported"),
        ("RSCALE=GREGORIAN;FREQ=YEARLY", "rule-unsupported"),
        ("FREQ=FORTNIGHTLY", "bad-rule"),
        ("FREQ=DAILY;INTERVAL=0", "bad-rule"),
        ("FREQ=DAILY;COUNT=-1", "bad-rule"),
        ("FREQ=DAILY;UNTIL=tomorrow", "bad-rule"),
        ("FREQ=WEEKLY;BYDAY=1MO", "bad-rule"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "bad-rule"),
        ("INTERVAL=1", "bad-rule"),
        ("", "bad-rule"),
        ("FREQ=WEEKLY;BYDAY=MO", ""),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", ""),
    ],
)
def test_a_rule_that_is_not_expanded_says_why(rule: str, code: str) -> None:
    assert defect(rule) == code


def test_a_refused_rule_leaves_the_first_start() -> None:
    event = series("FREQ=SECONDLY")
    assert next_occurrences(event, utc(2026, 1, 1), 5, YEAR) == (event.starts,)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTHDAY=31;BYMONTH=2",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366;INTERVAL=1000",
        "FREQ=DAILY;COUNT=1000000",
        "FREQ=MONTHLY;BYDAY=" + ",".join(["5MO"] * 366),
    ],
)
def test_a_rule_that_never_comes_to_an_end_costs_little(rule: str) -> None:
    event = series(rule)
    cost = cpu_seconds(lambda: next_occurrences(event, utc(2099, 1, 1), 10, timedelta(days=100_000)))
    assert cost < allowed(3.5)  # measured: at most 0.7 s


DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules that match sooner or later: dateutil looks for a match until the year 9999.

    It also takes BYDAY=MO,1MO for the days that are both (RFC 5545: either), so no rule mixes them.
    """
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={freq}", f"INTERVAL={draw(st.integers(1, 4))}"]
    by = draw(st.sampled_from(["", "DAY", "ORDINAL", "MONTHDAY"]))
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True))
    if by == "DAY":
        parts.append("BYDAY=" + ",".join(days))
        if freq != "DAILY" and draw(st.booleans()):
            parts.append(f"BYSETPOS={draw(st.sampled_from([1, -1] if freq == 'WEEKLY' else [1, 2, -1]))}")
    if by == "ORDINAL" and freq in ("MONTHLY", "YEARLY"):
        parts.append("BYDAY=" + ",".join(draw(st.sampled_from(["1", "2", "-1"])) + day for day in days))
    if by == "MONTHDAY":
        others = draw(st.sets(st.sampled_from([10, 15, 28, 31, -1]), max_size=3))
        parts.append("BYMONTHDAY=" + ",".join(map(str, [1, *others])))
    if draw(st.booleans()):
        parts.append("BYMONTH=" + ",".join(map(str, draw(st.sets(st.integers(1, 12), min_size=1, max_size=6)))))
    if freq == "WEEKLY" and draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(DAYS))}")
    if draw(st.booleans()):
        parts.append(f"COUNT={draw(st.integers(1, 30))}")
    return ";".join(parts)


@settings(phases=[Phase.explicit, Phase.generate], max_examples=80)
@given(rules(), st.dates(date(2020, 1, 1), date(2026, 12, 31)), st.integers(0, 2000))
def test_every_rule_gives_what_dateutil_gives(rule: str, first: date, later: int) -> None:
    begin = datetime(first.year, first.month, min(first.day, 28), 12, tzinfo=UTC)
    after, last = begin + timedelta(days=later), begin + timedelta(days=later) + 2 * YEAR
    # dateutil needs an end, or it looks for a match until the year 9999.
    theirs = rrulestr(rule if "COUNT" in rule else f"{rule};UNTIL={last:%Y%m%dT%H%M%SZ}", dtstart=begin)
    expected = tuple(start for start in theirs if after <= start <= last)[:20]
    assert next_occurrences(series(rule, begin, zone="UTC"), after, 20, 2 * YEAR) == expected


@given(
    st.text(alphabet="FREQ=DAILYWKMONTH;BYS,0123456789-+ ", max_size=60)
    | rules().map(lambda rule: rule + ";BYSETPOS=-366")
)
def test_any_rule_is_expanded_or_refused(rule: str) -> None:
    found = next_occurrences(series(rule), utc(2026, 1, 1), 5, YEAR)
    assert len(found) <= 5
    assert list(found) == sorted(found)


def test_the_wall_time_is_the_zones_own() -> None:
    found = next_occurrences(series("FREQ=MONTHLY"), utc(2026, 1, 1), 12, YEAR)
    assert {start.astimezone(ZoneInfo("Europe/Prague")).hour for start in found if isinstance(start, datetime)} == {9}
