"""What an invitation in a mail does to the users' invitations (SPEC chapter 8; RFC 5546, RFC 6047 section 3).

Pure: records in, intents out. A change that the sender has no right to make becomes one suggestion for each
event, of kind ``invitation-proposal``, which ``event_from_json`` turns back into the event when accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from crmservice.crm.directory import without_tag
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
    """The facts of a message that decide: its method, its sender, and whether he may change what is there.

    ``known``: the records by user and UID, then by occurrence. ``series``: UIDs whose series it brings itself.
    """

    method: str
    sender: str
    may_change: bool
    known: Mapping[tuple[int, str], Mapping[str, InvitationRecord]]
    series: frozenset[str]
    our_domains: frozenset[str]

    def plain(self, address: str) -> str:
        """The address as two are compared: in our domains without its ``+tag`` (SPEC chapter 4)."""
        return without_tag(address, self.our_domains)

    def is_sender(self, address: str) -> bool:
        """Whether this is the sender's address."""
        return address != "" and self.plain(address) == self.plain(self.sender)

    def records(self, user: User, event: CalendarEvent) -> Mapping[str, InvitationRecord]:
        """The user's records of the event's UID by occurrence."""
        return self.known.get((user.id, event.uid), {})


def decide_invitation(
    invitation: Invitation,
    sender: str,
    may_change: bool,
    users: Sequence[User],
    records: Records,
    our_domains: frozenset[str] = frozenset(),
) -> InvitationDecision:
    """What the invitation of a mail does.

    ``sender``: address of the usable sender, else an empty text. ``may_change``: whether he may change
    existing invitations (SPEC chapter 7: verified, or no ``authservId`` is set). ``users``: those among the
    recipients; inactive ones get no invitations. ``records``: all of these users' invitations with the
    UIDs of the mail, by user, UID and occurrence. ``our_domains``: where an address is the same without its ``+tag``.
    """
    series = frozenset(event.uid for event in invitation.events if not (event.occurrence or event.cancelled))
    asked = _Asked(invitation.method, sender, may_change, _by_uid(records), series, our_domains)
    active = sorted({user.id: user for user in users if user.active}.values(), key=lambda user: user.id)
    steps: list[_Step] = []
    for event in invitation.events:
        steps += _event(asked, event, active)
    counted = {code: n for code in _CODES if (n := sum(step.code == code for step in steps))}
    intents = tuple(step.intent for step in steps if step.intent is not None)
    return InvitationDecision(intents, next(iter(counted), "unreadable"), counted)


def fingerprint(event: CalendarEvent) -> str:
    """What an answer was given to: times and rule. While it stays the answer stays (32 hexadecimal digits)."""
    return fingerprint_of(event.starts, event.ends, all_day=event.all_day, rule=event.rule, excluded=event.excluded)


def fingerprint_of(
    starts: date | None, ends: date | None, *, all_day: bool, rule: str = "", excluded: Iterable[str] = ()
) -> str:
    """The same of an event that came with no mail; times as in ``CalendarEvent``."""
    ordered = ";".join(sorted(rule.upper().split(";")))
    parts = [_text(starts), _text(ends), str(all_day), ordered, *sorted(excluded)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _event(asked: _Asked, event: CalendarEvent, users: Sequence[User]) -> list[_Step]:
    match asked.method:
        case "REQUEST" | "PUBLISH" if event.cancelled:
            steps = _for_users(_cancel, asked, event, users)
        case "REQUEST" | "PUBLISH":
            steps = _for_users(_put, asked, event, users)
        case "CANCEL":
            steps = _for_users(_cancel, asked, event, users)
        case "REPLY":
            steps = [_reply(asked, event)]
        case "COUNTER":
            steps = [_Step("proposal")]
        case _:
            steps = [_Step("no-record")]
    return _with_proposal(asked, event, users, steps)


def _for_users(
    decide: Callable[[_Asked, CalendarEvent, User], list[_Step]],
    asked: _Asked,
    event: CalendarEvent,
    users: Sequence[User],
) -> list[_Step]:
    if not event.uid:
        return [_Step("unreadable")]
    return [step for user in users for step in decide(asked, event, user)] or [_Step("no-user")]


def _put(asked: _Asked, event: CalendarEvent, user: User) -> list[_Step]:
    """REQUEST and PUBLISH: make the user's record, or bring it up to date."""
    if event.starts is None:
        return [_Step("unreadable")]
    known = asked.records(user, event)
    if not known:
        return [_Step("created", _new(asked, event, user))]
    record = known.get(event.occurrence)
    if code := _not_newer(event, record, known.get("")):
        return [_Step(code)]
    if not _may_change(asked, record or known.get("") or _oldest(known)):
        return [_Step("proposal")]
    if record is None:
        return [_Step("created", _new(asked, event, user))]
    return [_Step("updated", _changed(asked, event, user, record))]


def _cancel(asked: _Asked, event: CalendarEvent, user: User) -> list[_Step]:
    """CANCEL: of the series with all that was made of its occurrences, or of one occurrence."""
    known = asked.records(user, event)
    if event.occurrence and event.occurrence not in known:
        return [_cancel_new(asked, event, user, known.get(""))]
    if not known:
        return [_Step("unknown-uid")]
    first = known.get(event.occurrence) or _oldest(known)
    step = _cancel_one(asked, event, first)
    if event.occurrence or step.intent is None:
        return [step]
    others = [each for each in known.values() if each is not first and each.status != CANCELLED]
    return [step, *(_Step("cancelled", _cancelling(event, each)) for each in others)]


def _cancel_one(asked: _Asked, event: CalendarEvent, record: InvitationRecord) -> _Step:
    if event.sequence < record.sequence:
        return _Step("older")
    if record.status == CANCELLED:
        return _Step("same")
    if not _may_change(asked, record):
        return _Step("proposal")
    return _Step("cancelled", _cancelling(event, record))


def _cancelling(event: CalendarEvent, record: InvitationRecord) -> CancelInvitation:
    sequence = max(event.sequence, record.sequence)
    return CancelInvitation(record.user, record.uid, record.occurrence, sequence, event.stamp)


def _cancel_new(asked: _Asked, event: CalendarEvent, user: User, series: InvitationRecord | None) -> _Step:
    """One occurrence of a series is called off: it gets a record of its own, so that the series stays whole."""
    if series is None:
        known = event.uid in asked.series and asked.method != "CANCEL"
        return _Step("cancelled", _called_off(asked, event, user)) if known else _Step("unknown-uid")
    if series.status == CANCELLED:
        return _Step("same")
    if event.sequence < 0 or _is_before(event, series):
        return _Step("older")
    if not _may_change(asked, series):
        return _Step("proposal")
    return _Step("cancelled", _called_off(asked, replace(event, organizer=event.organizer or series.organizer), user))


def _called_off(asked: _Asked, event: CalendarEvent, user: User) -> PutInvitation:
    starts = event.starts or _moment(event.occurrence)
    dated = replace(event, starts=starts, all_day=not isinstance(starts, datetime), cancelled=True)
    return replace(_new(asked, dated, user), status=CANCELLED, answerable=False)


def _reply(asked: _Asked, event: CalendarEvent) -> _Step:
    """REPLY: the sender's own answer; what he says of others is a proposal (RFC 6047 section 3)."""
    if not event.uid or not event.attendees:
        return _Step("unreadable")
    own = next((each for each in event.attendees if asked.is_sender(each.email)), None)
    if own is None or not asked.may_change:
        return _Step("proposal")
    return _Step("answered", SetAttendee(event.uid, event.occurrence, own.email, own.state, event.stamp))


def _by_uid(records: Records) -> Mapping[tuple[int, str], Mapping[str, InvitationRecord]]:
    known: dict[tuple[int, str], dict[str, InvitationRecord]] = {}
    for (user, uid, occurrence), record in sorted(records.items()):
        known.setdefault((user, uid), {})[occurrence] = record
    return known


def _oldest(known: Mapping[str, InvitationRecord]) -> InvitationRecord:
    return min(known.values(), key=lambda record: (record.sequence, record.occurrence))


def _may_change(asked: _Asked, record: InvitationRecord) -> bool:
    """Whether the sender is the event's organiser, or the sender of the mail that made the record."""
    return asked.may_change and (asked.is_sender(record.organizer) or asked.is_sender(record.maker))


def _not_newer(event: CalendarEvent, record: InvitationRecord | None, series: InvitationRecord | None) -> str:
    """``older`` or ``same`` where the event brings nothing new (RFC 5546 section 2.1.5), else an empty text."""
    if record is None:
        return "older" if event.sequence < 0 or (series is not None and _is_before(event, series)) else ""
    mine, theirs = _version(record.sequence, record.stamp), _version(event.sequence, event.stamp)
    return "" if theirs > mine else "same" if theirs == mine else "older"


def _is_before(event: CalendarEvent, series: InvitationRecord) -> bool:
    """Whether an occurrence's message is older than the series: its own SEQUENCE may run apart, so both must be."""
    return event.sequence < series.sequence and _stamp(event.stamp) < _stamp(series.stamp)


def _version(sequence: int, stamp: datetime | None) -> tuple[int, float]:
    return sequence, _stamp(stamp)


def _stamp(stamp: datetime | None) -> float:
    return stamp.timestamp() if stamp else 0.0


def _new(asked: _Asked, event: CalendarEvent, user: User) -> PutInvitation:
    """A first record. Its state is never the PARTSTAT of the mail: only the user accepts for himself."""
    return PutInvitation(
        user=user.id,
        event=replace(event, sequence=max(event.sequence, 0)),
        status=NEEDS_ACTION,
        maker=asked.sender,
        confirmed=_confirmed(asked, event),
        answerable=asked.method == "REQUEST" and not _is_his(asked, event.organizer, user),
        fingerprint=fingerprint(event),
    )


def _changed(asked: _Asked, event: CalendarEvent, user: User, record: InvitationRecord) -> PutInvitation:
    """The record brought up to date; the answer stays while times and rule do. The maker stays the first one."""
    put = _new(asked, replace(event, organizer=event.organizer or record.organizer), user)
    kept = record.status if put.fingerprint == record.fingerprint and record.status != CANCELLED else NEEDS_ACTION
    return replace(put, status=kept, maker=record.maker, changed=True)


def _is_his(asked: _Asked, address: str, user: User) -> bool:
    """Whether this is one of the user's addresses."""
    return not {address, asked.plain(address)}.isdisjoint((user.email, *user.aliases))


def _confirmed(asked: _Asked, event: CalendarEvent) -> bool:
    """Whether the organiser is known to have sent it; a mail that names none speaks for its sender."""
    return asked.may_change and (event.organizer == "" or asked.is_sender(event.organizer))


def _with_proposal(asked: _Asked, event: CalendarEvent, users: Sequence[User], steps: list[_Step]) -> list[_Step]:
    """The first step that is a proposal carries the one suggestion for this event."""
    first = next((index for index, step in enumerate(steps) if step.code == "proposal"), None)
    if first is None or not event.uid:
        return steps
    suggestion = Suggest(PROPOSAL, event.uid, _payload(asked, event, users))
    return [*steps[:first], _Step("proposal", suggestion), *steps[first + 1 :]]


def _payload(asked: _Asked, event: CalendarEvent, users: Iterable[User]) -> dict[str, Any]:
    return {
        "method": asked.method,
        "sender": asked.sender,
        "users": [user.id for user in users],
        "event": event_as_json(event),
    }


def accepted(
    proposal: Mapping[str, Any], users: Sequence[User], records: Records
) -> tuple[PutInvitation | CancelInvitation | SetAttendee, ...]:
    """What a proposal's payload comes to when a person accepts it: as if its sender had had the right.

    Nothing for a COUNTER, which the organiser answers with a new invitation. Raises as ``event_from_json`` does.
    """
    event = event_from_json(proposal["event"])
    intents: list[PutInvitation | CancelInvitation] = []
    for user in users:
        own = {place: record for place, record in records.items() if place[0] == user.id}
        invitation = Invitation(proposal["method"], event.uid, (event,))
        decided = decide_invitation(invitation, _entitled(proposal, event, own), True, (user,), own)
        intents += [intent for intent in decided.intents if isinstance(intent, PutInvitation | CancelInvitation)]
    return (*intents, *_answers(proposal, event))


def _entitled(proposal: Mapping[str, Any], event: CalendarEvent, records: Records) -> str:
    """An address that may change these records."""
    makers = (address for record in records.values() for address in (record.organizer, record.maker))
    return next(filter(None, makers), event.organizer or proposal["sender"])


def _answers(proposal: Mapping[str, Any], event: CalendarEvent) -> list[SetAttendee]:
    """A REPLY that somebody sent for an attendee: it counts for all attendees' records at once."""
    if proposal["method"] != "REPLY":
        return []
    return [SetAttendee(event.uid, event.occurrence, a.email, a.state, event.stamp) for a in event.attendees[:1]]


def event_as_json(event: CalendarEvent) -> dict[str, Any]:
    """An event as plain JSON: times as ISO texts, attendees as objects."""
    plain = {each.name: getattr(event, each.name) for each in fields(event)}
    attendees = [{"email": each.email, "name": each.name, "state": each.state} for each in event.attendees]
    times = {name: _text(plain[name]) for name in ("stamp", "starts", "ends")}
    return plain | times | {"attendees": attendees, "excluded": list(event.excluded)}


def event_from_json(plain: Mapping[str, Any]) -> CalendarEvent:
    """The event that ``event_as_json`` wrote. Raises TypeError or ValueError for another object."""
    stamp = _moment(plain["stamp"]) if plain["stamp"] else None
    values = dict(plain) | {
        "stamp": stamp if isinstance(stamp, datetime) else None,
        "starts": _moment(plain["starts"]) if plain["starts"] else None,
        "ends": _moment(plain["ends"]) if plain["ends"] else None,
        "attendees": tuple(Attendee(**each) for each in plain["attendees"]),
        "excluded": tuple(plain["excluded"]),
    }
    return CalendarEvent(**values)


def _text(moment: date | None) -> str:
    """An instant as UTC text, a date as such, nothing as an empty text."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).isoformat()
    return moment.isoformat() if moment else ""


def _moment(text: str) -> date:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
