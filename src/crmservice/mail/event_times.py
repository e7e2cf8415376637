"""When an event is: DTSTART, DTEND, DURATION, EXDATE and RECURRENCE-ID as instants or dates (RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice

from crmservice.mail import ics, recurrence
from crmservice.mail.timezones import Observance, iana_name, posix_rule, zone

MAX_EXCLUDED = 1_000
FIRST_YEAR, LAST_YEAR = 1900, 2999
"""Outside of these a time is a slip of the pen, and time zones can't be reckoned with."""

_DATE = re.compile(r"\d{8}", re.ASCII)
_TIME = re.compile(r"(\d{8}T\d{4})([0-5]\d|60)?(Z?)", re.ASCII)
_DURATION = re.compile(
    r"\+?P(?:(\d{1,5})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Times:
    """How the times of one calendar are to be read.

    ``floating``: whose wall time one without a zone is. ``observances`` and ``places`` (X-LIC-LOCATION)
    by TZID: what the calendar's VTIMEZONEs say.
    """

    floating: tzinfo
    observances: Mapping[str, tuple[Observance, ...]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def name(self, tzid: str, year: int) -> str:
        """The zone of a TZID: a known name wins over the VTIMEZONE; an empty text where nobody defines it."""
        place = self.places.get(tzid, "")
        return iana_name(tzid) or iana_name(place) or posix_rule(self.observances.get(tzid, ()), year)


@dataclass(frozen=True, slots=True)
class Found:
    """The times of an event, in the forms that ``CalendarEvent`` documents."""

    starts: datetime | date | None = None
    ends: datetime | date | None = None
    all_day: bool = False
    excluded: tuple[str, ...] = ()
    occurrence: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class _When:
    """A date; or a local time in the zone of this name."""

    local: date
    name: str = ""

    @property
    def value(self) -> date:
        """The date, or the instant in UTC (what a gap of DST swallows: by the offset before it)."""
        return self.local.astimezone(UTC) if isinstance(self.local, datetime) else self.local

    @property
    def timed(self) -> bool:
        return isinstance(self.local, datetime)

    @property
    def day(self) -> _When:
        return _When(self.local.date()) if isinstance(self.local, datetime) else self

    @property
    def is_midnight(self) -> bool:
        return isinstance(self.local, datetime) and self.local.time() == time()


@dataclass(slots=True)
class _Reader:
    """Reads the times of one event; ``year`` is the one whose rule of a VTIMEZONE holds."""

    times: Times
    year: int
    defects: list[str]
    names: dict[str, str] = field(default_factory=dict)

    def single(self, component: ics.Component, name: str) -> _When | None:
        """The time of a property that stands once."""
        line = component.first(name)
        return self.when(line.value, line.parameters) if line else None

    def when(self, text: str, parameters: Mapping[str, str]) -> _When | None:
        """A DATE or DATE-TIME value (RFC 5545 sections 3.3.4 and 3.3.5)."""
        text = text.strip().upper()
        is_date = bool(_DATE.fullmatch(text)) or parameters.get("VALUE", "").upper() == "DATE"
        wall = _date(text[:8]) if is_date else _wall(text)
        if wall is None:
            self.defects.append("bad-time")
            return None
        if not isinstance(wall, datetime):
            return _When(wall)
        return self.in_zone(wall, "UTC" if text.endswith("Z") else parameters.get("TZID", ""))

    def in_zone(self, wall: datetime, tzid: str) -> _When | None:
        """A wall time in the zone of a TZID, or floating where it has none."""
        if not tzid:
            self.defects.append("floating-time")
            return _When(wall.replace(tzinfo=self.times.floating), getattr(self.times.floating, "key", ""))
        if tzid not in self.names:
            self.names[tzid] = self.times.name(tzid, self.year)
        where = zone(self.names[tzid])
        if where is None:
            self.defects.append("unknown-zone")
            return None
        return _When(wall.replace(tzinfo=where), self.names[tzid])


def read_utc(text: str) -> datetime | None:
    """DTSTAMP: an instant that is written in UTC (RFC 5545 section 3.8.7.2; without Z it is taken as UTC too)."""
    wall = _wall(text.strip().upper())
    return wall.replace(tzinfo=UTC) if wall else None


def read_times(component: ics.Component, times: Times, defects: list[str]) -> Found:
    """The times of a VEVENT; codes of what is wrong go to ``defects``."""
    reader = _Reader(times, _year(component.value("DTSTART") or component.value("RECURRENCE-ID")), defects)
    start, end = reader.single(component, "DTSTART"), reader.single(component, "DTEND")
    if start is None and "DTSTART" in component.lines:
        defects.append("invitation-unreadable")
    if start and start.is_midnight and _marked_all_day(component) and (end is None or end.is_midnight):
        start, end = start.day, end.day if end else None
    return Found(
        starts=start.value if start else None,
        ends=_end(start, end, component.value("DURATION"), defects) if start else None,
        all_day=start is not None and not start.timed,
        excluded=_excluded(component, reader, start),
        occurrence=_occurrence(component, reader, start),
        zone=start.name if start else "",
    )


def _date(text: str) -> date | None:
    wall = _wall(f"{text}T0000")
    return wall.date() if wall else None


def _wall(text: str) -> datetime | None:
    """The clock's reading in ``20260331T120000Z``, without a zone; a leap second is the second before it."""
    match = _TIME.fullmatch(text)
    if match is None or not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        return None
    try:
        return datetime.fromisoformat(match[1]).replace(second=min(int(match[2] or 0), 59))
    except ValueError:
        return None


def _year(text: str) -> int:
    return int(text[:4]) if _DATE.match(text) else FIRST_YEAR


def _marked_all_day(component: ics.Component) -> bool:
    """Exchange writes a whole day as midnight to midnight, with this mark."""
    return component.value("X-MICROSOFT-CDO-ALLDAYEVENT").upper() == "TRUE"


def _end(start: _When, end: _When | None, duration: str, defects: list[str]) -> date:
    """DTEND, or DTSTART with DURATION, or the default of RFC 5545 section 3.6.1: the same day, or no time at all."""
    last = end.value if end and end.timed is start.timed else _after(start, duration, defects)
    if last is None:
        return start.value if start.timed else start.value + timedelta(days=1)
    if last < start.value:
        defects.append("end-before-start")
        return start.value
    return last if start.timed else max(last, start.value + timedelta(days=1))


def _after(start: _When, duration: str, defects: list[str]) -> date | None:
    """DTSTART with DURATION: weeks and days by the calendar, the rest by the clock (RFC 5545 section 3.3.6)."""
    match = _DURATION.fullmatch(duration.upper())
    if match is None or not any(match.groups()):
        if duration:
            defects.append("bad-duration")
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        day = _When(start.local + timedelta(days=days, weeks=weeks)).value
        last = day + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        last = None
    if last is None or last.year > LAST_YEAR:
        defects.append("bad-duration")
        return None
    return last


def _excluded(component: ics.Component, reader: _Reader, start: _When | None) -> tuple[str, ...]:
    values = [
        (text, line.parameters)
        for line in component.all("EXDATE")
        for text in islice(line.value.split(",", MAX_EXCLUDED + 1), MAX_EXCLUDED + 1)
    ]
    if len(values) > MAX_EXCLUDED:
        reader.defects.append("too-many-exclusions")
    read = (reader.when(text, parameters) for text, parameters in values[:MAX_EXCLUDED] if text.strip())
    return tuple(sorted({recurrence.key(_alike(each, start)) for each in read if each}))


def _occurrence(component: ics.Component, reader: _Reader, start: _When | None) -> str:
    line = component.first("RECURRENCE-ID")
    if line is None:
        return ""
    if "RANGE" in line.parameters:
        reader.defects.append("range-ignored")
    when = reader.single(component, "RECURRENCE-ID")
    return recurrence.key(_alike(when, start)) if when else ""


def _alike(when: _When, start: _When | None) -> date:
    """EXDATE or RECURRENCE-ID in the kind of DTSTART: clients write dates for timed events, and the reverse."""
    if start is None or when.timed is start.timed:
        return when.value
    if not isinstance(start.local, datetime):
        return when.day.value
    return datetime.combine(when.local, start.local.timetz()).astimezone(UTC)
