"""Delivery reports: what happened to each recipient (RFC 3464, RFC 6533, and what servers make of them)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from crmservice.mail import delivery_status
from crmservice.mail.delivery_status import Status

MAX_RECIPIENTS = 1000

ADDRESS = (
    r'(?:"(?:[^"\\\x00-\x1f\x7f\ud800-\udfff]|\\[^\x00-\x1f\x7f\ud800-\udfff]){1,64}"'
    r'|[^\s<>"(),:;@\[\]\\\x00-\x1f\x7f\ud800-\udfff]{1,128})'
    r"@(?:\[[\w.:]{2,64}\]|[^\W_](?:[\w.-]{0,252}[^\W_])?)"
)
"""An addr-spec as bounces write it (RFC 5321 section 4.1.2), with a bound on each side; without control characters, and
without the lone surrogates that JSON can hold, which no database takes."""

_ADDRESS = re.compile(ADDRESS)
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]{2,40})[ \t]*:(.*)", re.DOTALL)
_RECIPIENT_FIELDS = ("final-recipient", "original-recipient")
_TYPE = re.compile(r"\s*([\w/.-]{0,40})\s*;", re.ASCII)
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_XTEXT = re.compile(r"\+(2B|3D)")

Outcome = Literal["failed", "temporary", "other"]


class Recipient(NamedTuple):
    """One recipient of a report; ``address`` is empty where the report names none that is an address."""

    address: str
    outcome: Outcome
    dead: bool


def recipients(texts: Iterable[str]) -> list[Recipient]:
    """Every recipient of the reports in these texts, at most ``MAX_RECIPIENTS``; never raises."""
    found: list[Recipient] = []
    for text in texts:
        for group in _groups(text):
            found.append(_recipient(group))
            if len(found) == MAX_RECIPIENTS:
                return found
    return found


def _groups(text: str) -> Iterator[dict[str, str]]:
    """The groups of fields about one recipient each: ended by an empty line or the same field again."""
    group: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        if not line.strip():
            if _is_recipient(group):
                yield group
            group, name = {}, ""
        elif found := _FIELD.match(line):
            name = found[1].lower()
            if name in group and name in _RECIPIENT_FIELDS:
                yield group
                group = {}
            group.setdefault(name, found[2].strip()[:2000])
        elif name and line[0] in " \t" and len(group[name]) < 2000:
            group[name] += " " + line.strip()[:1000]
    if _is_recipient(group):
        yield group


def _is_recipient(group: dict[str, str]) -> bool:
    return any(name in group for name in _RECIPIENT_FIELDS) and ("action" in group or "status" in group)


def _recipient(group: dict[str, str]) -> Recipient:
    address = _address(group.get("final-recipient", "")) or _original(group.get("original-recipient", ""))
    status = delivery_status.of_field(group.get("status", ""))
    if not status.rank:
        status = delivery_status.of_text(group.get("diagnostic-code", ""))
    outcome = _outcome(group.get("action", ""), status)
    return Recipient(address, outcome, outcome == "failed" and status.dead)


def _outcome(action: str, status: Status) -> Outcome:
    """For good only where Action says failed (or is torn) and the status is no 4.x.x."""
    action = action.lower()
    if action.startswith("delayed"):
        return "temporary"
    if action.startswith(("fail", "error")):
        return "temporary" if status.temporary else "failed"
    if action.startswith(("delivered", "relayed", "expanded")) or status.rank == "2":
        return "other"
    return "failed" if not action and status.rank == "5" else "temporary"


def _address(value: str) -> str:
    r"""The address of a recipient field, lower case: ``rfc822; a@b``, ``utf-8; \x{E9}@b``, ``<a@b>``."""
    kind = _TYPE.match(value)
    text = value[kind.end() :] if kind else value
    if kind and kind[1].lower() == "utf-8":
        text = _UNICODE.sub(_unescape, text)
    return clean_address(text)


def _original(value: str) -> str:
    """As ``_address``; the address may still be in the xtext of the envelope (RFC 3461 section 4)."""
    return _address(_XTEXT.sub(lambda found: "+" if found[1] == "2B" else "=", value))


def _unescape(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else ""


def clean_address(text: str) -> str:
    """The address that a text is, in lower case and without brackets, or an empty text."""
    found = _ADDRESS.match(text[:1000].strip().lstrip("<").strip())
    return found[0].lower() if found else ""
