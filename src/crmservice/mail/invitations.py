"""text/calendar -> Invitation (SPEC chapter 8; RFC 5545, RFC 5546).

Reading is total: what is wrong becomes a code among the defects, never an exception. An event whose start
can't be known for certain (malformed, or in a zone that nobody defines) has none. Rules are kept as they
are written and never expanded here; alarms and attachments are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import islice
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from crmservice.mail import ics, recurrence, timezones
from crmservice.mail.addresses import IN_TEXT
from crmservice.mail.event_times import Times, read_times, read_utc
from crmservice.mail.message import Attendee, CalendarEvent, Invitation

MAX_TEXTS = 10
MAX_ALL_CHARS = 2 * ics.MAX_CHARS
MAX_ATTENDEES = 1_000
MAX_UID = 500
MAX_SEQUENCE = 2**31 - 1
DEFAULT_ZONE: tzinfo = ZoneInfo("Europe/Prague")
"""Whose wall time a floating time is, where neither the caller nor X-WR-TIMEZONE says: the manual's users'."""

_STATES = frozenset({"needs-action", "accepted", "declined", "tentative", "delegated", "completed", "in-process"})
_DELIVERY = re.compile(r"mailto:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Read:
    """A calendar's method and events, with the codes of what was wrong."""

    method: str
    events: tuple[CalendarEvent, ...]
    defects: tuple[str, ...]


def read(texts: tuple[str, ...], zone: tzinfo = DEFAULT_ZONE) -> Invitation | None:
    """The invitation of a mail, from its decoded text/calendar parts in their order.

    The first calendar with an event decides the method; a further one with the same method adds events that
    are not there yet (the same invitation as a part and as an attachment counts once). None where no part
    has an event (a task, free or busy times); a part that is beyond reading gives an Invitation without
    events. ``zone``: whose wall time a floating time is, unless the calendar has an X-WR-TIMEZONE.
    """
    calendars: list[_Read] = []
    defects: list[str] = []
    for text in _bounded(texts, defects):
        try:
            calendars += [_calendar(each, zone) for each in ics.calendars(text) if each.named("VEVENT")]
        except ics.Unreadable as fault:
            defects.append(str(fault))
    usable = [each for each in calendars if each.events] or calendars[:1]
    if not usable:
        return Invitation("PUBLISH", "", (), tuple(dict.fromkeys(defects))) if defects else None
    return _together(usable, defects)


def _bounded(texts: tuple[str, ...], defects: list[str]) -> Iterator[str]:
    """Each different text once, while they are few and small enough."""
    chars = 0
    for number, text in enumerate(dict.fromkeys(text for text in texts if text.strip())):
        chars += min(len(text), ics.MAX_CHARS)
        if number >= MAX_TEXTS or chars > MAX_ALL_CHARS:
            defects.append("too-many-calendars")
            return
        yield text


def _together(calendars: list[_Read], defects: list[str]) -> Invitation:
    first = calendars[0]
    same = [each for each in calendars if each.method == first.method]
    events = _once(event for each in same for event in each.events)
    codes = [*(code for each in same for code in each.defects), *defects]
    if len(same) < len(calendars) and any(not _among(each.events, events) for each in calendars):
        codes.append("other-method-ignored")
    return Invitation(first.method, events[0].uid if events else "", events, tuple(dict.fromkeys(codes)))


def _among(some: Iterable[CalendarEvent], events: tuple[CalendarEvent, ...]) -> bool:
    known = {(event.uid, event.occurrence) for event in events}
    return all((event.uid, event.occurrence) in known for event in some)


def _once(events: Iterable[CalendarEvent]) -> tuple[CalendarEvent, ...]:
    """Each event and occurrence once, in its newest version (RFC 5546 section 2.1.5), in order of appearance."""
    newest: dict[tuple[str, str], CalendarEvent] = {}
    for event in events:
        place = (event.uid, event.occurrence)
        if place not in newest or _version(event) > _version(newest[place]):
            newest[place] = event
    return tuple(newest.values())


def _version(event: CalendarEvent) -> tuple[int, float]:
    return event.sequence, event.stamp.timestamp() if event.stamp else 0.0


def _calendar(calendar: ics.Component, zone: tzinfo) -> _Read:
    defects: list[str] = []
    method = re.sub(r"[^A-Z-]", "", calendar.value("METHOD").upper())[:20] or "PUBLISH"
    times = Times(
        floating=timezones.zone(timezones.iana_name(calendar.value("X-WR-TIMEZONE"))) or zone,
        observances={each.value("TZID"): _observances(each) for each in calendar.named("VTIMEZONE")},
        places={each.value("TZID"): each.value("X-LIC-LOCATION") for each in calendar.named("VTIMEZONE")},
    )
    events: list[CalendarEvent] = []
    room = MAX_ATTENDEES
    for component in calendar.named("VEVENT"):
        event = _event(component, method, times, room, defects)
        room -= len(event.attendees)
        if event.uid and (event.occurrence or "RECURRENCE-ID" not in component.lines):
            events.append(event)
        elif event.uid:
            # Taken for the series it would replace or cancel all of it.
            defects.append("bad-occurrence")
    unique = _once(events)
    if len(unique) < len(events):
        defects.append("event-repeated")
    return _Read(method, unique, tuple(dict.fromkeys(defects)))


def _observances(zone: ics.Component) -> tuple[timezones.Observance, ...]:
    return tuple(
        timezones.Observance(
            daylight=each.name == "DAYLIGHT",
            onset=each.value("DTSTART"),
            before=each.value("TZOFFSETFROM"),
            after=each.value("TZOFFSETTO"),
            rule=each.value("RRULE"),
            more=tuple(islice(_dates(each), 100)),
        )
        for each in zone.inside
        if each.name in ("STANDARD", "DAYLIGHT")
    )


def _dates(observance: ics.Component) -> Iterator[str]:
    return (text for line in observance.all("RDATE") for text in line.value.split(",", 100)[:100])


def _event(component: ics.Component, method: str, times: Times, room: int, defects: list[str]) -> CalendarEvent:
    event = CalendarEvent(
        uid=_uid(component.value("UID"), defects),
        sequence=_sequence(component.value("SEQUENCE"), defects),
        stamp=_stamp(component, defects),
        summary=" ".join(component.value("SUMMARY").split())[:1000],
        location=" ".join(component.value("LOCATION").split())[:1000],
        description=component.value("DESCRIPTION")[:100_000],
        organizer=_organizer(component),
        attendees=_attendees(component, room, defects),
        rule=_rule(component, defects),
        cancelled=method == "CANCEL" or component.value("STATUS").upper() == "CANCELLED",
    )
    found = read_times(component, times, defects)
    return replace(
        event,
        starts=found.starts,
        ends=found.ends,
        all_day=found.all_day,
        excluded=found.excluded,
        occurrence=found.occurrence,
        zone=found.zone,
    )


def _uid(text: str, defects: list[str]) -> str:
    """The UID exactly as it is written; one that is missing or absurdly long makes no record."""
    if 0 < len(text) <= MAX_UID:
        return text
    defects.append("uid-too-long" if text else "uid-missing")
    return ""


def _sequence(text: str, defects: list[str]) -> int:
    """SEQUENCE (RFC 5545 section 3.8.7.4). A negative one stays, so that it is older than any that is stored."""
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?\d{1,10}", text, re.ASCII) or int(text) > MAX_SEQUENCE:
        defects.append("bad-sequence")
        return 0
    if int(text) < 0:
        defects.append("bad-sequence")
    return max(int(text), -1)


def _stamp(component: ics.Component, defects: list[str]) -> datetime | None:
    text = component.value("DTSTAMP")
    stamp = read_utc(text)
    if text and stamp is None:
        defects.append("bad-stamp")
    return stamp


def _rule(component: ics.Component, defects: list[str]) -> str:
    """RRULE as it is written; a second one and RDATE are noted and left out."""
    if "RDATE" in component.lines:
        defects.append("rdate-ignored")
    if len(component.lines.get("RRULE", ())) > 1:
        defects.append("rule-repeated")
    rule = re.sub(r"\s", "", component.value("RRULE")).upper()
    if not rule:
        return ""
    if len(rule) > 2000 or not re.fullmatch(r"[A-Z0-9=;,+-]+", rule, re.ASCII):
        defects.append("bad-rule")
        return ""
    if code := recurrence.defect(rule):
        defects.append(code)
    return rule.strip(";")


def _organizer(component: ics.Component) -> str:
    """ORGANIZER's own address; SENT-BY is whoever pressed the button and decides nothing."""
    organizer = component.first("ORGANIZER")
    return _address(organizer) if organizer else ""


def _attendees(component: ics.Component, room: int, defects: list[str]) -> tuple[Attendee, ...]:
    """The attendees with an address, each once, at most ``room``."""
    lines = component.lines.get("ATTENDEE", [])
    found: dict[str, Attendee] = {}
    for line in islice(lines, room):
        attendee = ics.split(line)
        email = _address(attendee) if attendee else ""
        if attendee is None:
            defects.append("bad-attendee")
        elif email and email not in found:
            found[email] = Attendee(email, _name(attendee), _state(attendee))
    if len(lines) > room:
        defects.append("too-many-attendees")
    return tuple(found.values())


def _address(line: ics.Property) -> str:
    """The mailbox of a calendar user in lower case, or an empty text (``invalid:nomail``, a phone, a URN)."""
    written = _DELIVERY.sub("", line.value.strip(), count=1) if _DELIVERY.match(line.value.strip()) else line.value
    for text in (written, line.parameters.get("EMAIL", "")):
        email = unquote(text[:2000]).partition("?")[0].strip().strip("<>'").lower()
        if len(email) <= 320 and IN_TEXT.fullmatch(email):
            return email
    return ""


def _name(line: ics.Property) -> str:
    return " ".join(line.parameters.get("CN", "").strip("'\" ").split())[:200]


def _state(line: ics.Property) -> str:
    """PARTSTAT; an unknown one means needs-action (RFC 5545 section 3.2.12)."""
    state = line.parameters.get("PARTSTAT", "").strip().lower()
    return state if state in _STATES else "needs-action"
