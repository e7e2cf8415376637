"""Invitations of users: put, cancelled, answered (SPEC chapter 8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from crmservice.crm.ids import new_id
from crmservice.crm.records import CancelInvitation, PutInvitation, SetAttendee
from crmservice.store import bulk, texts
from crmservice.store.changes import Changes, Effects, State
from crmservice.store.kinds import INVITATION
from crmservice.store.lookup import short
from crmservice.store.models import Invitation

INTENTS = (PutInvitation, CancelInvitation, SetAttendee)
CANCELLED = "cancelled"

Place = tuple[int, str, str]


@dataclass(slots=True)
class Invitations:
    """What a batch does to invitations, in its order."""

    wished: list[tuple[int, Any]] = field(default_factory=list)

    def take(self, message: int, intent: PutInvitation | CancelInvitation | SetAttendee) -> None:
        """Remember an intent."""
        self.wished.append((message, intent))

    def write(self, effects: Effects) -> None:
        """Insert what is new, then change what stands."""
        if not self.wished:
            return
        places = _places({short(_uid(intent)) for _, intent in self.wished})
        changes = Changes(Invitation, INVITATION)
        new: list[bulk.Row] = []
        for message, intent in self.wished:
            if isinstance(intent, PutInvitation):
                _put(message, intent, places, changes, new, effects)
            elif isinstance(intent, CancelInvitation):
                _cancel(message, intent, places, changes)
            else:
                _answer(message, intent, places, changes)
        bulk.insert(Invitation, "id", "user_id", "uid", "occurrence", "message_id", *INVITATION).run(new)
        changes.write(effects)


def _uid(intent: PutInvitation | CancelInvitation | SetAttendee) -> str:
    return intent.event.uid if isinstance(intent, PutInvitation) else intent.uid


def _places(uids: set[str]) -> dict[Place, int]:
    sql = "SELECT user_id, uid, occurrence, id FROM crm_invitation WHERE uid IN {in}"
    return {(user, uid, occurrence): key for user, uid, occurrence, key in bulk.query_in(sql, uids)}


def _put(
    message: int,
    intent: PutInvitation,
    places: dict[Place, int],
    changes: Changes,
    new: list[bulk.Row],
    effects: Effects,
) -> None:
    place = (intent.user, short(intent.event.uid), intent.event.occurrence)
    state = _state(intent)
    if (row := places.get(place)) is not None:
        changes.add(message, row, state)
        return
    places[place] = row = new_id()
    new.append((row, *place, message, *(state[name] for name in INVITATION)))
    effects.add(message, "invitation", row, None, [*place, *state.values()])


def _state(intent: PutInvitation) -> State:
    event = intent.event
    attendees = [{"email": a.email, "name": a.name, "state": a.state} for a in event.attendees]
    return {
        "summary": texts.storable(event.summary)[:1000],
        "description": texts.storable(event.description),
        "location": texts.storable(event.location)[:1000],
        "organizer": event.organizer,
        "starts": instant(event.starts),
        "ends": instant(event.ends),
        "all_day": event.all_day,
        "zone": event.zone,
        "rule": event.rule,
        "excluded": texts.compact(event.excluded) if event.excluded else "",
        "attendees": texts.compact(attendees) if attendees else "",
        "sequence": event.sequence,
        "stamp": event.stamp,
        "status": CANCELLED if event.cancelled else intent.status,
        "maker": intent.maker,
        "confirmed": intent.confirmed,
        "answerable": intent.answerable,
        "fingerprint": intent.fingerprint,
    }


def instant(value: datetime | date | None) -> datetime | None:
    """A start or an end as the tables keep it: a date is its midnight UTC."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, time(), UTC)


def _cancel(message: int, intent: CancelInvitation, places: dict[Place, int], changes: Changes) -> None:
    uid = short(intent.uid)
    row = places.get((intent.user, uid, intent.occurrence))
    if row is not None:
        cancelled = {"status": CANCELLED, "sequence": intent.sequence, "stamp": intent.stamp}
        changes.add(message, row, cancelled)


def _answer(message: int, intent: SetAttendee, places: dict[Place, int], changes: Changes) -> None:
    uid = short(intent.uid)
    for (_, other, occurrence), row in places.items():
        if (other, occurrence) == (uid, intent.occurrence):
            changes.add(message, row, _answered(intent))


def _answered(intent: SetAttendee) -> Callable[[State], State]:
    """The attendee's newest answer stands (RFC 5546 section 3.2.3: by DTSTAMP)."""

    def change(state: State) -> State:
        stamp = intent.stamp.isoformat() if intent.stamp else ""
        attendees = json.loads(state["attendees"] or "[]")
        for attendee in attendees:
            if attendee["email"] == intent.email and attendee.get("stamp", "") <= stamp:
                attendee.update(state=intent.state, stamp=stamp)
        return {"attendees": texts.compact(attendees) if attendees else ""}

    return change
