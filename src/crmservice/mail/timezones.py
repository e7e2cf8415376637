"""Time zones as calendars name them: IANA and Windows names, and a VTIMEZONE as a POSIX rule.

A zone travels as a text (``CalendarEvent.zone``): the IANA name where the sender's name is a known one, else
a rule made of his VTIMEZONE. A known name always wins over the VTIMEZONE that comes with it, and nothing read
from one mail is remembered for the next: a "Customized Time Zone" means what its own mail says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

_GLOBAL_PREFIX = re.compile(r"(?:tzone://microsoft)?/", re.IGNORECASE)
_LONGEST_NAME = 100
_POSIX_HALF = r"-?\d{1,2}(?::\d{2})?"
_POSIX_DAY = r",M\d{1,2}\.[1-5]\.[0-6]/\d{1,2}(?::\d{2})?"
_POSIX = re.compile(rf"XST{_POSIX_HALF}(?:XDT{_POSIX_HALF}{_POSIX_DAY}{_POSIX_DAY})?")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY_OF_RULE = re.compile(r"([+-]?\d)?(MO|TU|WE|TH|FR|SA|SU)")


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    """Folded names of zones with their IANA names: tzdata's list, and CLDR's table of Windows names."""
    from tzlocal.windows_tz import win_tz

    iana = frozenset((files("tzdata") / "zones").read_text(encoding="ascii").split())
    known = {windows.casefold(): name for windows, name in win_tz.items() if name in iana}
    known |= {name.casefold(): name for name in iana}
    return known | {"z": "UTC", "utc": "UTC", "gmt": "UTC"}


def iana_name(tzid: str) -> str:
    """The IANA name for a TZID that is exactly a known IANA or Windows name (case apart), or an empty text.

    Globally unique TZIDs (RFC 5545 section 3.8.3.1) as ``/freeassociation.sourceforge.net/Europe/Prague``
    are known by their end. Nothing else of the text reaches the file system.
    """
    if len(tzid) > _LONGEST_NAME:
        return ""
    name = tzid.strip().strip('"').casefold()
    known = _known()
    if name in known:
        return known[name]
    if not _GLOBAL_PREFIX.match(name):
        return ""
    parts = name.split("/")
    return next((known[end] for start in range(1, len(parts)) if (end := "/".join(parts[start:])) in known), "")


def zone(name: str) -> tzinfo | None:
    """The zone of a name that ``iana_name`` or ``posix_rule`` gave; None for any other text."""
    if not name:
        return None
    if known := iana_name(name):
        return UTC if known == "UTC" else ZoneInfo(known)
    return _posix_zone(name)


@lru_cache(maxsize=64)
def _posix_zone(name: str) -> tzinfo | None:
    from crmservice.mail.posix_zone import PosixZone  # of no use to any mail but an invitation of its own zone

    if not _POSIX.fullmatch(name):
        return None
    try:
        return PosixZone(name)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Observance:
    """STANDARD or DAYLIGHT of a VTIMEZONE (RFC 5545 section 3.6.5), its values as the calendar writes them.

    ``onset``: DTSTART; ``before``, ``after``: TZOFFSETFROM, TZOFFSETTO; ``more``: the dates of RDATE.
    """

    daylight: bool
    onset: str
    before: str
    after: str
    rule: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Half:
    """One half of the year: from ``onset`` (``M3.5.0/2``) on the offset is ``after``; first so at ``begun``."""

    begun: datetime
    after: timedelta
    onset: str


def posix_rule(observances: Sequence[Observance], year: int) -> str:
    """A VTIMEZONE as the POSIX rule (``XST-1XDT-2,M3.5.0/2,M10.5.0/3``) that holds in ``year``; empty if unusable.

    Sources: RFC 5545 section 3.6.5; POSIX.1-2017 section 8.3, TZ. What is no yearly change between two
    offsets can't be said so: then the last offset that began by the end of the year is taken for all of it.
    """
    standard = _in_force([each for each in observances if not each.daylight], year)
    daylight = _in_force([each for each in observances if each.daylight], year)
    if standard and daylight and standard.onset and daylight.onset and standard.after != daylight.after:
        text = f"XST{_offset(standard.after)}XDT{_offset(daylight.after)},{daylight.onset},{standard.onset}"
    elif halves := [half for half in (standard, daylight) if half]:
        text = f"XST{_offset(max(halves, key=lambda half: half.begun).after)}"
    else:
        return ""
    return text if _POSIX.fullmatch(text) else ""


def _in_force(observances: Sequence[Observance], year: int) -> _Half | None:
    """The observance that began last by the end of ``year``; the earliest of all if none has begun."""
    dated = [(begun, each) for each in observances if (begun := _local(each.onset)) is not None]
    if not dated:
        return None
    begun_by_then = [pair for pair in dated if pair[0].year <= year]
    begun, each = max(begun_by_then, key=_beginning) if begun_by_then else min(dated, key=_beginning)
    after = _delta(each.after)
    return None if after is None else _Half(begun, after, _onset(each, begun, year))


def _beginning(pair: tuple[datetime, Observance]) -> datetime:
    return pair[0]


def _onset(each: Observance, begun: datetime, year: int) -> str:
    """``Mmonth.week.weekday/time`` of the yearly change, or an empty text where there is none in ``year``."""
    time = f"{begun.hour}:{begun.minute:02}" if begun.minute else str(begun.hour)
    if not each.rule:
        onsets = [begun, *(day for text in each.more if (day := _local(text)) is not None)]
        this_year = next((day for day in onsets if day.year == year), None)
        return f"M{_nth_weekday(this_year)}/{time}" if this_year else ""
    rule = dict(part.split("=", 1) for part in each.rule.upper().split(";") if "=" in part)
    if rule.get("FREQ") != "YEARLY" or rule.get("INTERVAL", "1") != "1" or rule.get("UNTIL", "9999")[:4] < str(year):
        return ""
    return f"M{_yearly_day(rule, begun)}/{time}"


def _yearly_day(rule: dict[str, str], begun: datetime) -> str:
    """``month.week.weekday`` of BYMONTH with BYDAY=-1SU, or BYDAY=SU;BYMONTHDAY=8,9,10,11,12,13,14, or of DTSTART."""
    month = rule.get("BYMONTH", str(begun.month))
    day = _DAY_OF_RULE.fullmatch(rule.get("BYDAY", ""))
    if day is None or not month.isdecimal():
        return _nth_weekday(begun)
    first = rule.get("BYMONTHDAY", "").partition(",")[0]
    if day[1]:
        week = 5 if day[1].startswith("-") else int(day[1])
    elif first.isdecimal():
        week = (int(first) - 1) // 7 + 1
    else:
        week = 5 if first.startswith("-") else 1
    return f"{int(month)}.{week}.{(_WEEKDAYS.index(day[2]) + 1) % 7}"


def _nth_weekday(day: date) -> str:
    """``month.week.weekday`` of a date; a day of a month's last week counts as the last (5)."""
    last = (day + timedelta(days=7)).month != day.month
    return f"{day.month}.{5 if last else (day.day - 1) // 7 + 1}.{day.isoweekday() % 7}"


def _local(text: str) -> datetime | None:
    """A local date-time, kept away from both ends of the calendar, so that days can be added."""
    match = re.fullmatch(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})\d{2})?", text, re.ASCII)
    if match is None or not 1600 <= int(match[1]) <= 9000:
        # Exchange writes 16010101T020000; a year 0001 (seen of old Domino) says no more than "always".
        return _local(f"1601{text[4:]}") if text[:4] == "0001" else None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _delta(text: str) -> timedelta | None:
    """A UTC offset (RFC 5545 section 3.3.14) in whole minutes, below a day."""
    match = re.fullmatch(r"([+-])(\d{2})(\d{2})(?:\d{2})?", text, re.ASCII)
    if match is None or int(match[2]) > 15 or int(match[3]) > 59:
        return None
    size = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return -size if match[1] == "-" else size


def _offset(delta: timedelta) -> str:
    """An offset in POSIX's way: west of Greenwich is positive."""
    minutes = abs(int(delta.total_seconds()) // 60)
    sign = "-" if delta > timedelta() else ""
    return f"{sign}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")
