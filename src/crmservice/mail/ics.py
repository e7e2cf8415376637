"""The lines of an iCalendar text as a tree of components, within bounds (RFC 5545 sections 3.1 and 3.4).

Only what an invitation needs is kept: VALARM, ATTACH, X-ALT-DESC and the like never get further. Lines are
split by ``icalendar``; its component tree is not used, because it remembers VTIMEZONEs process-wide by their
TZID (one mail's zone would rule the next mail's) and has no bounds of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAX_CHARS = 1_000_000
MAX_COMPONENTS = 100
MAX_DEPTH = 16
MAX_REPEATED = 1_000
"""ATTENDEE, and EXDATE, lines kept of one text."""

_FOLD = re.compile(r"\n[ \t]")
_NAME = re.compile(r"([A-Za-z0-9-]+)[;:]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BEGIN = re.compile(r"^BEGIN[ \t]*:", re.IGNORECASE | re.MULTILINE)

_OBSERVANCE = frozenset({"DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE", "RDATE"})
_WANTED: Mapping[str, frozenset[str]] = {
    "VCALENDAR": frozenset({"METHOD", "X-WR-TIMEZONE"}),
    "VTIMEZONE": frozenset({"TZID", "X-LIC-LOCATION"}),
    "STANDARD": _OBSERVANCE,
    "DAYLIGHT": _OBSERVANCE,
    "VEVENT": frozenset(
        {
            "UID", "SEQUENCE", "DTSTAMP", "SUMMARY", "LOCATION", "DESCRIPTION", "DTSTART", "DTEND", "DURATION",
            "ORGANIZER", "ATTENDEE", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS",
            "X-MICROSOFT-CDO-ALLDAYEVENT",
        }
    ),
}  # fmt: skip
_REPEATED = frozenset({"ATTENDEE", "EXDATE", "RDATE"})


class Unreadable(ValueError):
    """A text that is no calendar, or one beyond our bounds; its text is the code of the defect."""


@dataclass(frozen=True, slots=True)
class Property:
    """A content line, split: its value with escapes undone, its parameters with upper-case names."""

    value: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Component:
    """A component with the lines kept of it, by upper-case name, and the components inside it."""

    name: str
    lines: dict[str, list[str]] = field(default_factory=dict)
    inside: list[Component] = field(default_factory=list)

    def named(self, name: str) -> list[Component]:
        """The components of this name directly inside."""
        return [each for each in self.inside if each.name == name]

    def first(self, name: str) -> Property | None:
        """The first readable property of this name."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[Property]:
        """The readable properties of this name, in order."""
        return filter(None, map(split, self.lines.get(name, ())))

    def value(self, name: str) -> str:
        """The value of the first readable property of this name, or an empty text."""
        found = self.first(name)
        return found.value.strip() if found else ""


def split(line: str) -> Property | None:
    """A content line's value and parameters, None where it is malformed."""
    from icalendar.parser import Contentline

    try:
        _, parameters, value = Contentline(line).parts()  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    return Property(value, {key.upper(): _one(each) for key, each in parameters.items()})


def _one(value: str | list[str]) -> str:
    return value if isinstance(value, str) else next(iter(value), "")


def calendars(text: str) -> tuple[Component, ...]:
    """The VCALENDARs of a text; a last one that lacks only its END counts.

    Raises Unreadable: no VCALENDAR in it, cut off inside a component, or larger than the bounds above.
    """
    if len(text) > MAX_CHARS:
        raise Unreadable("invitation-too-large")
    unfolded = _FOLD.sub("", _lines(_FORBIDDEN.sub("", text)))
    if sum(1 for _ in _BEGIN.finditer(unfolded)) > MAX_COMPONENTS:
        raise Unreadable("invitation-too-many-components")
    found = _tree(unfolded)
    if not found:
        raise Unreadable("invitation-unreadable")
    return tuple(found)


def _lines(text: str) -> str:
    """The text with LF alone at the lines' ends, whatever the sender and the relays made of them."""
    return text.replace("\r", "" if "\n" in text else "\n")


def _tree(text: str) -> list[Component]:
    found: list[Component] = []
    stack: list[Component] = []
    for line in text.split("\n"):
        name = _NAME.match(line)
        if name is None:
            continue
        match name[1].upper():
            case "BEGIN":
                _open(_argument(line), stack, found)
            case "END":
                _close(_argument(line), stack)
            case kind if stack:
                _keep(stack[-1], kind, line)
    if len(stack) > 1:
        raise Unreadable("invitation-unreadable")
    return found


def _argument(line: str) -> str:
    return line.partition(":")[2].strip().upper()


def _open(name: str, stack: list[Component], found: list[Component]) -> None:
    if len(stack) >= MAX_DEPTH:
        raise Unreadable("invitation-too-deep")
    if not stack and name != "VCALENDAR":
        return
    component = Component(name)
    (stack[-1].inside if stack else found).append(component)
    stack.append(component)


def _close(name: str, stack: list[Component]) -> None:
    if not stack:
        return
    if stack.pop().name != name:
        raise Unreadable("invitation-unreadable")


def _keep(component: Component, kind: str, line: str) -> None:
    if kind not in _WANTED.get(component.name, ()):
        return
    lines = component.lines.setdefault(kind, [])
    # One line more than is used shows that there were too many, or a second one.
    if len(lines) <= (MAX_REPEATED if kind in _REPEATED else 1):
        lines.append(line)
