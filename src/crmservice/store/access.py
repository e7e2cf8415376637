"""visible_to: the one spelling of who sees what (SPEC chapter 6), and every reading of lists and details.

What one may not see does not exist: a detail is None, a list leaves it out, a count does not count it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from crmservice.errors import CrmServiceError
from crmservice.store import models
from crmservice.store.database import refresh

COUNT_LIMIT = 10_000
"""Counts stop here: a full one under the visibility rule takes seconds in a large store (HOUSE.md, point 13)."""


class NoSuchUser(CrmServiceError):
    """There is no user with this login."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking. ``levels``: those of the own role and of every role below it."""

    id: int
    login: str
    admin: bool
    levels: frozenset[int]


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """An activity as a page shows it. ``scope`` as SPEC chapter 6 writes it; times aware and UTC."""

    id: int
    kind: str
    subject: str
    body: str
    direction: str
    type: str | None
    responsible: str | None
    contract: str | None
    order: str | None
    task: str | None
    thread: int | None
    scope: str
    sent: datetime | None
    due: datetime | None
    completed: datetime | None
    starts: datetime | None
    ends: datetime | None
    all_day: bool
    location: str
    unverified: bool
    message: int | None


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """An attachment. ``message`` and ``part`` lead to its bytes in the backup; ``size`` in bytes."""

    message: int
    part: int
    name: str
    content_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task."""

    id: int
    number: str
    subject: str
    body: str
    status: str
    approver: str | None
    contract: str | None
    problem_id: str | None


@dataclass(frozen=True, slots=True)
class InvitationRecord:
    """A user's own invitation."""

    id: int
    uid: str
    occurrence: str
    summary: str
    organizer: str
    starts: datetime | None
    ends: datetime | None
    all_day: bool
    location: str
    sequence: int
    status: str
    confirmed: bool
    answerable: bool


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message of the inbox, for administrators. ``log`` and ``trail`` are JSON (``store.trails``)."""

    id: int
    box: str
    day: date
    arrived: datetime
    sender: str
    subject: str
    verdict: str
    log: str
    trail: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ForbiddenRecord:
    """A forbidden e-mail, for administrators."""

    email: str
    type: str
    unverified: bool


@dataclass(frozen=True, slots=True)
class PartyRecord:
    """An account or a contact."""

    id: int
    name: str
    allow_emails: bool
    allow_bulk_emails: bool
    email_broken: bool


@dataclass(frozen=True, slots=True)
class NumberedRecord:
    """A contract or an order."""

    id: int
    number: str
    name: str
    account: str | None


T = TypeVar("T")
M = TypeVar("M", bound=Model)


def viewer(login: str) -> Viewer:
    """The viewer with this login. Raises NoSuchUser."""
    refresh()
    row = models.User.objects.filter(login=login).values("id", "admin", "role").first()
    if row is None:
        raise NoSuchUser("there is no user {login!r}", login=login)
    return Viewer(row["id"], login, row["admin"], _levels(row["role"]))


def _levels(role: int | None) -> frozenset[int]:
    """The levels of a role and of all roles below it; a user without a role has none."""
    if role is None:
        return frozenset()
    below: dict[int | None, list[int]] = {}
    level: dict[int, int] = {}
    for key, parent, depth in models.Role.objects.values_list("id", "parent", "level"):
        below.setdefault(parent, []).append(key)
        level[key] = depth
    found, waiting = set(), [role]
    while waiting:
        at = waiting.pop()
        found.add(level[at])
        waiting += below.get(at, [])
    return frozenset(found)


def visible_to(user: Viewer) -> Q:
    """The activities that a user sees (SPEC chapter 6): the condition of every query on them."""
    if user.admin:
        return Q()
    team = _contracts_of(user)
    of_team = Q(contract__in=team) | Q(task__in=models.Task.objects.filter(contract__in=team).values("id"))
    by_level = Q(scope_level__in=user.levels) if user.levels else _NOBODY
    return Q(responsible=user.id) | by_level | (Q(scope_level__isnull=True) & of_team)


_NOBODY = Q(pk__in=())


def tasks_visible_to(user: Viewer) -> Q:
    """The tasks that a user sees: as solver, approver, or of the contract's team."""
    if user.admin:
        return Q()
    solved = models.TaskSolver.objects.filter(user=user.id).values("task")
    return Q(approver=user.id) | Q(pk__in=solved) | Q(contract__in=_contracts_of(user))


def own(user: Viewer) -> Q:
    """The invitations that a user sees: the own ones; an administrator sees all."""
    return Q() if user.admin else Q(user=user.id)


def for_administrators(user: Viewer) -> Q:
    """What administrators alone see."""
    return Q() if user.admin else _NOBODY


def _contracts_of(user: Viewer) -> QuerySet[models.ContractMember, dict[str, Any]]:
    return models.ContractMember.objects.filter(user=user.id).values("contract")


def activities(user: Viewer, *, before: int | None = None, limit: int = 100, **wishes: object) -> list[ActivityRecord]:
    """The newest activities that the user sees, below the id ``before``; ``wishes`` compare columns.

    For example ``contract=…`` (id), ``thread=…``, ``contacts__contact=…``.
    """
    rows = _activities(user).filter(**wishes)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return [_activity(row) for row in rows.order_by("-id").values_list(*_ACTIVITY)[:limit]]


def activity(user: Viewer, key: int) -> ActivityRecord | None:
    """One activity, or None where there is none that the user sees."""
    row = _activities(user).filter(id=key).values_list(*_ACTIVITY).first()
    return None if row is None else _activity(row)


def count_activities(user: Viewer, **wishes: object) -> int:
    """How many activities the user sees; COUNT_LIMIT + 1 stands for more than that."""
    return _activities(user).filter(**wishes).values("id")[: COUNT_LIMIT + 1].count()


def attachments(user: Viewer, key: int) -> list[AttachmentRecord]:
    """The attachments of an activity; none where the user does not see it."""
    names = ("message", "part", "name", "content_type", "size", "sha256")
    seen = _activities(user).filter(id=key).values("message")
    rows = models.Attachment.objects.filter(message__in=seen).order_by("part").values_list(*names)
    return [AttachmentRecord(*row) for row in rows]


def _activities(user: Viewer) -> QuerySet[models.Activity]:
    refresh()
    return models.Activity.objects.filter(visible_to(user))


_ACTIVITY = (
    "id", "kind", "subject", "body", "direction", "type__name", "responsible__login", "contract__number",
    "order__number", "task__number", "thread", "scope_level", "sent", "due", "completed", "starts", "ends",
    "all_day", "location", "unverified", "message",
)  # fmt: skip
_SCOPE = _ACTIVITY.index("scope_level")


def _activity(row: tuple[Any, ...]) -> ActivityRecord:
    columns = list(row)
    columns[_SCOPE] = scope_text(columns[_SCOPE])
    return ActivityRecord(*columns)


def scope_text(level: int | None) -> str:
    """A scope as SPEC chapter 6 writes it: ``p-`` or ``p`` and the level."""
    return "p-" if level is None else f"p{level}"


def tasks(user: Viewer, **wishes: object) -> list[TaskRecord]:
    """The tasks that the user sees, oldest first."""
    names = ("id", "number", "subject", "body", "status", "approver__login", "contract__number", "problem_id")
    return _read(TaskRecord, models.Task.objects.filter(tasks_visible_to(user), **wishes), names)


def invitations(user: Viewer, **wishes: object) -> list[InvitationRecord]:
    """The user's own invitations (an administrator's: everybody's), oldest first."""
    names = (
        "id", "uid", "occurrence", "summary", "organizer", "starts", "ends", "all_day", "location", "sequence",
        "status", "confirmed", "answerable",
    )  # fmt: skip
    return _read(InvitationRecord, models.Invitation.objects.filter(own(user), **wishes), names)


def messages(user: Viewer, **wishes: object) -> list[MessageRecord]:
    """Messages of the inbox in order of arrival; none but for administrators."""
    names = (
        "id", "box", "day", "arrived", "sender", "subject", "verdict", "log", "trail", "path", "sha256",
    )  # fmt: skip
    return _read(MessageRecord, models.Message.objects.filter(for_administrators(user), **wishes), names)


def forbidden_emails(user: Viewer) -> list[ForbiddenRecord]:
    """Forbidden e-mails; none but for administrators."""
    rows = models.ForbiddenEmail.objects.filter(for_administrators(user))
    return _read(ForbiddenRecord, rows, ("email", "type", "unverified"))


_PARTY = ("id", "name", "allow_emails", "allow_bulk_emails", "email_broken")
_NUMBERED = ("id", "number", "name", "account__name")


def accounts(**wishes: object) -> list[PartyRecord]:
    """Accounts, for everyone signed in."""
    return _read(PartyRecord, models.Account.objects.filter(**wishes), _PARTY)


def contacts(**wishes: object) -> list[PartyRecord]:
    """Contacts, for everyone signed in."""
    return _read(PartyRecord, models.Contact.objects.filter(**wishes), _PARTY)


def contracts(**wishes: object) -> list[NumberedRecord]:
    """Contracts, for everyone signed in."""
    return _read(NumberedRecord, models.Contract.objects.filter(**wishes), _NUMBERED)


def orders(**wishes: object) -> list[NumberedRecord]:
    """Orders, for everyone signed in."""
    return _read(NumberedRecord, models.Order.objects.filter(**wishes), _NUMBERED)


def _read(make: type[T], rows: QuerySet[M], names: Iterable[str]) -> list[T]:
    refresh()
    return [make(*row) for row in rows.order_by("id").values_list(*names)]
