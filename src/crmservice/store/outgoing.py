"""The outbox: mail that we send, at least once and always with the same Message-ID (HOUSE.md, point 15)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import F, Q

from crmservice.crm.ids import new_id
from crmservice.store import texts
from crmservice.store.database import reading, writing
from crmservice.store.models import Outgoing
from crmservice.words import packed, unpacked

KEPT = timedelta(days=30)
FAR = timedelta(hours=2)
"""Nothing is put off for so long: a mail due later than that was put off before the clock jumped back."""


@dataclass(frozen=True, slots=True)
class New:
    """A mail to send. ``kind``: ``notice``, ``canary``, ``reply``; ``about``: what a notice is about. ``box``: whose server sends it."""

    kind: str
    about: str
    box: str
    sender: str
    recipient: str
    message_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Due:
    """A mail whose time has come, after so many attempts that failed."""

    id: int
    kind: str
    about: str
    box: str
    sender: str
    recipient: str
    raw: bytes
    attempts: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail of the outbox, to be shown. ``fault``: why it was not sent yet, or never will be."""

    kind: str
    about: str
    box: str
    recipient: str
    made: datetime
    state: str
    attempts: int
    due: datetime
    sent: datetime | None
    fault: object


class Mailed(NamedTuple):
    """A notice that was mailed: what about, to whom, and when (made, where it was not sent yet)."""

    about: str
    recipient: str
    when: datetime


def add(mail: New, now: datetime) -> None:
    """Put a mail into the outbox; call it in the transaction that makes the mail necessary."""
    Outgoing.objects.create(
        id=new_id(), kind=mail.kind, about=mail.about, box=mail.box, sender=mail.sender, recipient=mail.recipient,
        message_id=mail.message_id, raw=mail.raw, made=now, due=now,
    )  # fmt: skip


def mailed(now: datetime, within: timedelta) -> list[Mailed]:
    """The notices mailed lately; times ahead of the clock count, it may have been set back."""
    rows = Outgoing.objects.filter(Q(made__gt=now - within) | Q(sent__gt=now - within), kind="notice")
    return [
        Mailed(about, to, sent or made)
        for about, to, made, sent in rows.values_list("about", "recipient", "made", "sent")
    ]


def stuck() -> frozenset[str]:
    """Recipients to whom a notice waits in the outbox: more would only pile up."""
    with reading():
        rows = Outgoing.objects.filter(kind="notice", state="waiting")
        return frozenset(rows.values_list("recipient", flat=True))


def due(now: datetime, boxes: Collection[str], limit: int = 50) -> list[Due]:
    """Mail of these boxes whose time has come, oldest first."""
    names = ("id", "kind", "about", "box", "sender", "recipient", "raw", "attempts", "due")
    with reading():
        rows = Outgoing.objects.filter(Q(due__lte=now) | Q(due__gt=now + FAR), state="waiting", box__in=boxes)
        found = rows.order_by("made", "id").values(*names)[:limit]
        return [Due(**{**row, "raw": bytes(row["raw"])}) for row in found]


def claim(mail: Due, until: datetime) -> bool:
    """Take a mail to send it; False if somebody else did. Should we die over it, it is due again at ``until``."""
    with writing():
        return Outgoing.objects.filter(id=mail.id, state="waiting", due=mail.due).update(due=until) > 0


def sent(mail: Due, now: datetime) -> None:
    """The server took it."""
    with writing():
        Outgoing.objects.filter(id=mail.id).update(state="sent", sent=now, fault="")


def put_off(mail: Due, until: datetime, fault: object) -> None:
    """It could not be sent now."""
    with writing():
        rows = Outgoing.objects.filter(id=mail.id, state="waiting")
        rows.update(due=until, attempts=F("attempts") + 1, fault=_said(fault))


def put_off_all(box: str, until: datetime, fault: object) -> None:
    """The server of this box can't be used now: nothing that waits for it is tried before then."""
    with writing():
        rows = Outgoing.objects.filter(box=box, state="waiting")
        rows.update(due=until, attempts=F("attempts") + 1, fault=_said(fault))


def failed(mail: Due, fault: object) -> None:
    """The server refused it for good."""
    with writing():
        Outgoing.objects.filter(id=mail.id, state="waiting").update(state="failed", fault=_said(fault))


def listed(state: str, limit: int = 100) -> list[Listed]:
    """The newest mails in this state."""
    names = ("kind", "about", "box", "recipient", "made", "state", "attempts", "due", "sent", "fault")
    with reading():
        rows = Outgoing.objects.filter(state=state).order_by("-made", "-id").values(*names)[:limit]
        return [Listed(**{**row, "fault": unpacked(json.loads(row["fault"] or '""'))}) for row in rows]


def waiting_for(recipients: Collection[str]) -> int:
    """How many canaries wait to be sent to these."""
    with reading():
        waiting = Outgoing.objects.filter(kind="canary", state="waiting").values_list("recipient", flat=True)
        return len(set(waiting) & set(recipients))


def count(state: str) -> int:
    """How many mails are in this state."""
    with reading():
        return Outgoing.objects.filter(state=state).count()


def tidy(now: datetime) -> None:
    """Forget notices and canaries that were sent, or failed, long ago. Raises DatabaseUnavailable."""
    with writing():
        Outgoing.objects.filter(kind__in=("notice", "canary"), made__lt=now - KEPT).exclude(state="waiting").delete()


def _said(fault: object) -> str:
    return texts.compact(packed(fault))
