"""What an invitation in a mail does to the users' invitations (SPEC chapter 8; RFC 5546, RFC 6047 section 3).

Pure: records in, intents out. A change that the sender has no right to make becomes one suggestion for each
event, of kind ``invitation-proposal``, which ``event_from_json`` turns back into the event when accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from crmservice.crm.records import (
    CancelInvitation,
    Intent,
    InvitationRecord,
    PutInvitation,
    SetAttendee,
    Suggest,
    User,
)
from crmservice.mail.message import Attendee, CalendarEvent, Invitation

Records = Mapping[tuple[int, str, str], InvitationRecord]

PROPOSAL = "invitation-proposal"
NEEDS_ACTION = "needs-action"
CANCELLED = "cancelled"

_CODES = (
    "created", "updated", "cancelled", "answered", "proposal", "older", "same", "unknown-uid",
    "no-user", "unreadable", "no-record",
)  # fmt: skip
"""The codes, the most telling first."""


class InvitationDecision(NamedTuple):
    """The intents in the order of events and users, the most telling code, and how often each one came."""

    intents: tuple[Intent, ...]
    code: str
    codes: Mapping[str, int]


class _Step(NamedTuple):
    """What one event means to one user: a code, and an intent where something is to be done."""

    code: str
    intent: Intent | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """The facts of a message that decide: its method, its sender, and whether he may change what is there."""

    method: str
    sender: str
    may_change: bool


def decide_invitation(
    invitation: Invitation, sender: str, may_change: bool, users: Sequence[User], records: Records
) -> InvitationDecision:
    """What the invitation of a mail does.

    ``sender``: address of the usable sender, else an empty text. ``may_change``: whether he may change
    existing invitations (SPEC chapter 7: verified, or no ``authservId`` is set). ``users``: those among the
    recipients; inactive ones get no invitations. ``records``: all of these users' invitations with the
    UIDs of the mail, by user, UID and occurrence.
    """
    asked = _Asked(invitation.method, sender, may_change)
    active = sorted({user.id: user for user in users if user.active}.values(), key=lambda user: user.id)
    steps: list[_Step] = []
    for event in invitation.events:
        steps += _event(asked, event, active, records)
    counted = {code: n for code in _CODES if (n := sum(step.code == code for step in steps))}
    intents = tuple(step.intent for step in steps if step.intent is not None)
    return InvitationDecision(intents, next(iter(counted), "unreadable"), counted)


def fingerprint(event: CalendarEvent) -> str:
    """What an answer was given to: times and rule. While it stays the answer stays (32 hexadecimal digits)."""
    rule = ";".join(sorted(event.rule.upper().split(";")))
    parts = [_text(event.starts), _text(event.ends), str(event.all_day), rule, *sorted(event.excluded)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _event(asked: _Asked, event: CalendarEvent, users: Sequence[User], records: Records) -> list[_Step]:
    match asked.method:
        case "REQUEST" | "PUBLISH" if event.cancelled:
            steps = _for_users(_cancel, asked, event, users, records)
        case "REQUEST" | "PUBLISH":
            steps = _for_users(_put, asked, event, users, records)
        case "CANCEL":
            steps = _for_users(_cancel, asked, event, users, records)
        case "REPLY":
            steps = [_reply(asked, event)]
        case "COUNTER":
            steps = [_Step("proposal")]
        case _:
            steps = [_Step("no-record")]
    return _with_proposal(asked, event, users, steps)
