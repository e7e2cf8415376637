"""The next occurrences of a recurring event (RFC 5545 section 3.3.10), with a bound on the work.

The day arithmetic is our own: ``dateutil.rrule`` walks silently to the year 9999 on a rule that never
matches (``FREQ=DAILY;BYMONTHDAY=31;BYMONTH=2`` takes 2.6 s). The tests hold it against dateutil.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count as count_from
from itertools import islice, takewhile
from typing import Literal, cast, get_args

from crmservice.mail.message import CalendarEvent
from crmservice.mail.timezones import zone

MAX_DAYS = 20_000
"""Days looked at for one rule before it is given up: 54 years of them."""
MAX_OCCURRENCES = 2_000
"""Occurrences taken from one rule in one call."""

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_PARTS = frozenset(
    [
        "FREQ",
        "INTERVAL",
        "COUNT",
        "UNTIL",
        "WKST",
        "BYDAY",
        "BYMONTHDAY",
        "BYMONTH",
        "BYSETPOS",
        "BYHOUR",
        "BYMINUTE",
        "BYSECOND",
    ]
)


class RuleRefused(ValueError):
    """The rule is not expanded; its text is the code: bad-rule, rule-too-frequent or rule-unsupported."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An RRULE, read. Weekdays are 0 (Monday) to 6; ``by_day`` pairs them with an ordinal, or with 0 for each."""

    freq: Frequency
    interval: int = 1
    count: int | None = None
    until: str = ""
    week_start: int = 0
    by_day: tuple[tuple[int, int], ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_position: tuple[int, ...] = ()
    clock: tuple[int | None, int | None, int | None] = (None, None, None)


def defect(rule: str) -> str:
    """Why a rule would not be expanded, as a code, or an empty text."""
    try:
        read_rule(rule)
    except RuleRefused as refused:
        return str(refused)
    return ""


def next_occurrences(
    event: CalendarEvent,
    after: datetime,
    count: int,
    window: timedelta,
    overrides: Sequence[CalendarEvent] = (),
) -> tuple[date, ...]:
    """The starts of at most ``count`` occurrences in [``after``, ``after + window``], in order.

    Timed occurrences are UTC datetimes at the same wall time in the event's zone, all-day ones dates.
    ``after`` is aware. ``overrides`` are the events with a RECURRENCE-ID of this series: they are moved or,
    cancelled, left out. A rule that ``defect`` names gives the first start alone.
    """
    if event.starts is None or event.cancelled or count < 1:
        return ()
    timed = isinstance(event.starts, datetime)
    first, last = _bounds(after, window, timed)
    replaced = {each.occurrence: each for each in overrides if each.occurrence and each.uid == event.uid}
    regular = _starts(event, first, last) if event.rule else [event.starts]
    kept = {key(start) for start in regular} - set(event.excluded) - set(replaced)
    moved = [each.starts for each in replaced.values() if each.starts is not None and not each.cancelled]
    same_kind = [start for start in moved if isinstance(start, datetime) is timed]
    return tuple(sorted(start for start in [*map(from_key, kept), *same_kind] if first <= start <= last)[:count])


def key(start: date) -> str:
    """A start in the form of ``CalendarEvent.occurrence``: UTC text to the second, a date for all-day."""
    if isinstance(start, datetime):
        return start.astimezone(UTC).isoformat(timespec="seconds")
    return start.isoformat()


def from_key(occurrence: str) -> date:
    """The start that ``key`` wrote. Raises ValueError for another text."""
    return datetime.fromisoformat(occurrence) if "T" in occurrence else date.fromisoformat(occurrence)


def read_rule(text: str) -> Rule:
    """Read an RRULE value. Raises RuleRefused for one that is malformed, too frequent or not supported."""
    parts = dict(part.partition("=")[::2] for part in text.upper().strip(";").split(";"))
    freq = parts.get("FREQ", "")
    if freq in ("SECONDLY", "MINUTELY", "HOURLY"):
        raise RuleRefused("rule-too-frequent")
    if freq not in get_args(Frequency) or not all(parts.values()):
        raise RuleRefused("bad-rule")
    if not parts.keys() <= _PARTS:
        raise RuleRefused("rule-unsupported")
    return Rule(
        freq=cast(Frequency, freq),
        interval=_number(parts.get("INTERVAL", "1"), 1, 1000),
        count=_number(parts["COUNT"], 1, 10**6) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else "",
        week_start=_weekday(parts.get("WKST", "MO")),
        by_day=tuple(_by_day(day, freq) for day in _list(parts, "BYDAY")),
        by_month_day=tuple(_number(day, -31, 31) for day in _list(parts, "BYMONTHDAY")),
        by_month=tuple(sorted({_number(month, 1, 12) for month in _list(parts, "BYMONTH")})),
        by_position=tuple(_number(place, -366, 366) for place in _list(parts, "BYSETPOS")),
        clock=(_one(parts, "BYHOUR", 23), _one(parts, "BYMINUTE", 59), _one(parts, "BYSECOND", 59)),
    )


def _list(parts: dict[str, str], name: str) -> list[str]:
    values = parts[name].split(",") if name in parts else []
    if len(values) > 366:
        raise RuleRefused("rule-unsupported")
    return values


def _number(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[+-]?\d{1,7}", text, re.ASCII):
        raise RuleRefused("bad-rule")
    if not low <= int(text) <= high or (low < 0 and int(text) == 0):
        raise RuleRefused("bad-rule")
    return int(text)


def _until(text: str) -> str:
    if not re.fullmatch(r"\d{8}(?:T\d{6}Z?)?", text, re.ASCII):
        raise RuleRefused("bad-rule")
    return text


def _one(parts: dict[str, str], name: str, high: int) -> int | None:
    """BYHOUR and its like with one value, as some clients write it beside DTSTART; several are refused."""
    values = _list(parts, name)
    if len(values) > 1:
        raise RuleRefused("rule-too-frequent")
    return _number(values[0], 0, high) if values else None


def _weekday(text: str) -> int:
    if text not in _WEEKDAYS:
        raise RuleRefused("bad-rule")
    return _WEEKDAYS.index(text)


def _by_day(text: str, freq: str) -> tuple[int, int]:
    match = _DAY.fullmatch(text.strip())
    if match is None:
        raise RuleRefused("bad-rule")
    ordinal = _number(match[1], -53, 53) if match[1] else 0
    if ordinal and freq in ("DAILY", "WEEKLY"):
        raise RuleRefused("bad-rule")
    return ordinal, _weekday(match[2])


def _bounds(after: datetime, window: timedelta, timed: bool) -> tuple[date, date]:
    """First and last start asked for; an all-day event floats, so its bounds are dates."""
    last = min(after, datetime(8900, 1, 1, tzinfo=UTC)) + min(window, timedelta(days=MAX_DAYS))
    if timed:
        return after.astimezone(UTC), last.astimezone(UTC)
    return after.date(), last.date()


def _starts(event: CalendarEvent, first: date, last: date) -> Iterator[date]:
    """The starts that DTSTART and RRULE give from ``first`` to ``last``, within the bounds of this module."""
    assert event.starts is not None
    try:
        rule = read_rule(event.rule)
    except RuleRefused:
        yield event.starts
        return
    where = zone(event.zone) or UTC
    begin = event.starts.astimezone(where) if isinstance(event.starts, datetime) else event.starts
    inside = (start for start in _counted(rule, begin, where, first) if start >= first)
    yield from islice(takewhile(lambda start: start <= last, inside), MAX_OCCURRENCES)


def _counted(rule: Rule, begin: date, where: tzinfo, first: date) -> Iterator[date]:
    """The starts up to COUNT and UNTIL; without COUNT those long before ``first`` are passed over."""
    skipped = 0 if rule.count is not None else _periods_before(rule, begin, first)
    return islice(_begun(rule, begin, where, skipped), rule.count)


def _begun(rule: Rule, begin: date, where: tzinfo, skipped: int) -> Iterator[date]:
    """Every start from ``begin`` to UNTIL, in order."""
    first_day = begin.date() if isinstance(begin, datetime) else begin
    for day in _days(rule, first_day, skipped):
        start = _at(day, begin, rule, where)
        if not _by_until(start, rule.until, where):
            return
        if start >= begin:
            yield start


def _periods_before(rule: Rule, begin: date, first: date) -> int:
    """Intervals of the rule that surely end before ``first``."""
    longest = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}[rule.freq] * rule.interval
    return max((first.toordinal() - begin.toordinal()) // longest - 1, 0)


def _at(day: date, begin: date, rule: Rule, where: tzinfo) -> date:
    """The start on this day: the wall time of ``begin``, as UTC; in a gap of DST by the offset before it."""
    if not isinstance(begin, datetime):
        return day
    hour, minute, second = rule.clock
    clock = time(
        begin.hour if hour is None else hour,
        begin.minute if minute is None else minute,
        begin.second if second is None else second,
    )
    return datetime.combine(day, clock, where).astimezone(UTC)


def _by_until(start: date, until: str, where: tzinfo) -> bool:
    """Whether a start is not after UNTIL, which may be a date, a UTC time or (against the RFC) a local time."""
    if not until:
        return True
    if not isinstance(start, datetime):
        return start.strftime("%Y%m%d") <= until[:8]
    if until.endswith("Z"):
        return start.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ") <= until
    return start.astimezone(where).strftime("%Y%m%dT%H%M%S")[: len(until)] <= until


def _days(rule: Rule, begin: date, skipped: int) -> Iterator[date]:
    """The days of the rule after ``skipped`` intervals, in order, at most MAX_DAYS looked at."""
    looked_at = 0
    for number in count_from(skipped):
        period = _period(rule, begin, number * rule.interval)
        looked_at += len(period)
        if looked_at > MAX_DAYS or not period or period[0].year > 9000:
            return
        yield from _positions([day for day in period if _fits(rule, day, begin)], rule.by_position)


def _period(rule: Rule, begin: date, step: int) -> list[date]:
    """The days of the day, week, month or year ``step`` of them after that of ``begin``; none past the calendar."""
    try:
        if rule.freq == "DAILY":
            return [begin + timedelta(days=step)]
        if rule.freq == "WEEKLY":
            monday = begin - timedelta(days=(begin.weekday() - rule.week_start) % 7) + timedelta(weeks=step)
            return [monday + timedelta(days=day) for day in range(7)]
        if rule.freq == "MONTHLY":
            years, month = divmod(begin.month - 1 + step, 12)
            return _month(begin.year + years, month + 1)
        return [day for month in rule.by_month or range(1, 13) for day in _month(begin.year + step, month)]
    except (ValueError, OverflowError):
        return []


def _month(year: int, month: int) -> list[date]:
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def _fits(rule: Rule, day: date, begin: date) -> bool:
    """Whether the BY parts, or where they are silent the day of ``begin``, choose this day of the period."""
    if rule.by_month and day.month not in rule.by_month:
        return False
    if rule.by_month_day and not _fits_month_day(rule.by_month_day, day):
        return False
    if rule.by_day:
        return any(_fits_weekday(rule, ordinal, weekday, day) for ordinal, weekday in rule.by_day)
    return bool(rule.by_month_day) or _fits_begin(rule, day, begin)


def _fits_begin(rule: Rule, day: date, begin: date) -> bool:
    if rule.freq == "DAILY":
        return True
    if rule.freq == "WEEKLY":
        return day.weekday() == begin.weekday()
    return day.day == begin.day and (rule.freq == "MONTHLY" or bool(rule.by_month) or day.month == begin.month)


def _fits_month_day(days: tuple[int, ...], day: date) -> bool:
    return day.day in days or day.day - monthrange(day.year, day.month)[1] - 1 in days


def _fits_weekday(rule: Rule, ordinal: int, weekday: int, day: date) -> bool:
    """BYDAY: each such weekday, or the n-th (from the end: negative) of the month, or of the year."""
    if day.weekday() != weekday:
        return False
    if not ordinal:
        return True
    if rule.freq == "MONTHLY" or rule.by_month:
        place, size = day.day, monthrange(day.year, day.month)[1]
    else:
        place, size = day.timetuple().tm_yday, 365 + (monthrange(day.year, 2)[1] == 29)
    return (place - 1) // 7 + 1 == ordinal or (place - size - 1) // 7 == ordinal


def _positions(days: list[date], positions: tuple[int, ...]) -> list[date]:
    """BYSETPOS: the n-th of the period's days."""
    if not positions:
        return days
    chosen = {place - 1 if place > 0 else len(days) + place for place in positions}
    return [day for index, day in enumerate(days) if index in chosen]
