"""The rows that effects name: which table a name means, what the effect of a made row lists, and the links that go with it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import models as django_models

from crmservice.store import models
from crmservice.store.texts import storable

Model = type[django_models.Model]

OPEN, ACCEPTED = "open", "accepted"
"""States of a suggestion: nobody answered it yet; it was done."""

TEXT = "text"
"""Stands for subject and body among the columns of a made row: their checksum, so that nothing is kept twice."""

INVITATION = (
    "summary", "description", "location", "organizer", "starts", "ends", "all_day", "zone", "rule", "excluded",
    "attendees", "sequence", "stamp", "status", "maker", "confirmed", "answerable", "fingerprint",
)  # fmt: skip
"""The columns of an invitation that a mail sets."""


@dataclass(frozen=True, slots=True)
class Links:
    """Rows that tie a row to others and go with it: their table, its column for the row, and the one for the other."""

    model: Model
    owner: str
    other: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one table. ``made``: what the ``after`` of a made row lists, in this order (columns, TEXT, links)."""

    model: Model
    made: tuple[str, ...] = ()
    links: Mapping[str, Links] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    "activity": Kind(
        models.Activity,
        (
            "responsible_id", "contract_id", "order_id", "task_id", "scope_level", "type_id", "direction", "sent", "due",
            "completed", TEXT, "contacts", "accounts",
        ),
        {
            "contacts": Links(models.ActivityContact, "activity_id", "contact_id"),
            "accounts": Links(models.ActivityAccount, "activity_id", "account_id"),
        },
    ),
    "task": Kind(
        models.Task,
        ("number", "status", "approver_id", "contract_id", "problem_id", TEXT, "solvers"),
        {"solvers": Links(models.TaskSolver, "task_id", "user_id")},
    ),
    "contact": Kind(models.Contact),
    "account": Kind(models.Account),
    "forbiddenemail": Kind(models.ForbiddenEmail, ("email", "type", "unverified")),
    "invitation": Kind(models.Invitation, ("user_id", "uid", "occurrence", *INVITATION)),
    "suggestion": Kind(models.Suggestion, ("kind", "target", "state")),
    "sharedaddress": Kind(models.SharedAddress),
}  # fmt: skip
"""Effect's ``table`` -> what its rows are. Threads and messages have no row of their own kind here (``store.joins``)."""


def checksum(subject: str, body: str) -> int:
    """TEXT of a row with this subject and body: CRC-32 of both as the tables keep them."""
    return zlib.crc32(f"{storable(subject)[:1000]}\n{storable(body)}".encode())
