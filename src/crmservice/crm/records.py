"""The CRM's records as rules see them, and the intents that rules answer with.

Users, contacts, accounts, contracts and orders are referred to by ``id`` (they exist before the mail);
a task by its ``number``, because a mail may make one that the next mail of the same batch names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from crmservice.mail.message import CalendarEvent


class Direction(StrEnum):
    """Which way a mail went, seen from our company (manual 15.9)."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


NO_SCOPE = "p-"
"""The scope of an activity that only its responsible person and the contract's team see (manual 11)."""


@dataclass(frozen=True, slots=True)
class User:
    """A row of the user table. ``level`` is the depth of the role (root 1), None without a role."""

    id: int
    login: str
    email: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    role: int | None = None
    level: int | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class SharedAddress:
    """An address many answer for (info@): one user, or a role whose active members take turns.

    ``users``: those who may get the next mail, in order of their logins.
    """

    id: int
    address: str
    users: tuple[User, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A customer company (the manual's business relationship)."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A person in the address book, usually of an account."""

    id: int
    name: str
    account: int | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """What we do for a customer; projects too. ``team``: ids of users."""

    id: int
    number: str
    account: int | None = None
    team: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A customer's order."""

    id: int
    number: str
    account: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A task; ``problem_id`` is the id given by the Troubleshooting application (manual 15.2)."""

    number: str
    subject: str = ""
    status: str = "new"
    contract: int | None = None
    account: int | None = None
    problem_id: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """What earlier activities of a conversation know: where they belong and who took part (addresses)."""

    id: int
    contract: int | None = None
    order: int | None = None
    task: str | None = None
    people: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InvitationRecord:
    """A user's invitation as stored. ``maker``: sender of the mail that made it (SPEC chapter 8)."""

    user: int
    uid: str
    occurrence: str
    sequence: int
    stamp: datetime | None
    organizer: str
    maker: str
    status: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """An earlier message with the same key: what rule 1 needs to compare and to add a recipient to."""

    message: int
    body: bytes
    message_id: bytes
    users: frozenset[int] = frozenset()


# Intents: what a decision asks the gateway to do. One transaction applies all of a batch.


@dataclass(frozen=True, slots=True)
class CreateActivity:
    """One activity (SPEC chapter 4, "An activity holds"). Body and attachments are the decision's message."""

    responsible: int
    direction: Direction
    type: str
    scope: str
    sent: datetime
    due: datetime | None
    completed: datetime | None
    contacts: tuple[int, ...] = ()
    accounts: tuple[int, ...] = ()
    contract: int | None = None
    order: int | None = None
    task: str | None = None
    thread: int | None = None
    unverified: bool = False
    keep_original: bool = False


@dataclass(frozen=True, slots=True)
class CreateTask:
    """A new task. ``solvers`` and ``approver`` are ids of users; ``contract`` an id."""

    number: str
    subject: str
    body: str
    status: str = "new"
    solvers: tuple[int, ...] = ()
    approver: int | None = None
    contract: int | None = None
    problem_id: str = ""


@dataclass(frozen=True, slots=True)
class UpdateTask:
    """New facts for the task with this number (manual 15.2)."""

    number: str
    subject: str
    status: str
    contract: int | None
    body: str


@dataclass(frozen=True, slots=True)
class MarkAddress:
    """Take permissions off, or mark an address broken (manual 13).

    ``contacts`` and ``accounts``: ids of those that have the address; none of either: a forbidden e-mail.
    """

    address: str
    mark: Literal["do_not_send", "broken"]
    contacts: tuple[int, ...] = ()
    accounts: tuple[int, ...] = ()
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class PutInvitation:
    """Create or update one user's invitation (SPEC chapter 8); ``changed`` tells which."""

    user: int
    event: CalendarEvent
    status: str
    maker: str
    confirmed: bool
    answerable: bool
    fingerprint: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class CancelInvitation:
    """Cancel one user's invitation, or one occurrence of it."""

    user: int
    uid: str
    occurrence: str
    sequence: int
    stamp: datetime | None


@dataclass(frozen=True, slots=True)
class SetAttendee:
    """An attendee's answer to an event that we organise (iTIP REPLY)."""

    uid: str
    occurrence: str
    email: str
    state: str
    stamp: datetime | None


@dataclass(frozen=True, slots=True)
class Suggest:
    """Something a person may accept with one click (HOUSE.md, point 8). ``payload`` is plain JSON."""

    kind: str
    target: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """A shared address gave its mail to this user; the next mail goes to the next one."""

    shared: int
    user: int


@dataclass(frozen=True, slots=True)
class JoinThread:
    """The message belongs to this thread; ``merged`` are other threads that it shows to be the same."""

    thread: int
    merged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CanaryReturned:
    """The canary with this token came back (SPEC 13.6)."""

    token: str


Intent = (
    CreateActivity
    | CreateTask
    | UpdateTask
    | MarkAddress
    | PutInvitation
    | CancelInvitation
    | SetAttendee
    | Suggest
    | TakeTurn
    | JoinThread
    | CanaryReturned
)
