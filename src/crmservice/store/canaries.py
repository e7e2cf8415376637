"""Canaries: marked mails that went to employees, to see each come back by the forwarding (SPEC 13.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from crmservice.crm.ids import new_id
from crmservice.store.database import reading, writing
from crmservice.store.models import Canary, User

KEPT = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Flown:
    """What is known of an address: when a canary went there last, when one came back last, and since when none does.

    ``waits_since``: when the oldest canary went out that no later one answers for; None where the newest is back.
    """

    address: str
    box: str
    sent: datetime
    returned: datetime | None
    waits_since: datetime | None


def add(address: str, box: str, token: str, now: datetime) -> None:
    """A canary is sent; call it in the transaction that puts its mail into the outbox."""
    Canary.objects.create(id=new_id(), address=address, box=box, token=token, sent=now)


def returned(arrivals: Iterable[tuple[datetime, str]]) -> None:
    """These tokens came back then; the first return of each counts. Inside the transaction of its verdict."""
    for when, token in arrivals:
        Canary.objects.filter(token=token, returned=None).update(returned=when)


def flown(addresses: Sequence[str]) -> list[Flown]:
    """What is known of each of these addresses that a canary ever went to, in their order."""
    with reading():
        newest = Canary.objects.values("address").annotate(sent=Max("sent"), returned=Max("returned"))
        known = {row["address"]: (row["sent"], row["returned"]) for row in newest}
        boxes = dict(Canary.objects.order_by("sent").values_list("address", "box"))
        back = Canary.objects.filter(returned__isnull=False).values("address").annotate(sent=Max("sent"))
        answered = {row["address"]: row["sent"] for row in back}
        waits = _waiting(answered)
    return [Flown(one, boxes[one], *known[one], waits.get(one)) for one in addresses if one in known]


def _waiting(answered: dict[str, datetime]) -> dict[str, datetime]:
    """Since when each address has not answered: its oldest canary sent after the newest that came back."""
    newest_first = Canary.objects.filter(returned=None).order_by("-sent").values_list("address", "sent")
    return {address: sent for address, sent in newest_first if address not in answered or sent > answered[address]}


def last_sent() -> datetime | None:
    """When canaries were sent last."""
    with reading():
        found: datetime | None = Canary.objects.aggregate(last=Max("sent"))["last"]
        return found


def active_addresses() -> list[str]:
    """The address of each active user who has one, in alphabetical order."""
    with reading():
        rows = User.objects.filter(active=True).exclude(email="").order_by("email")
        return list(rows.values_list("email", flat=True))


def tidy(now: datetime) -> None:
    """Forget canaries of long ago. Raises DatabaseUnavailable."""
    with writing():
        Canary.objects.filter(sent__lt=now - KEPT).delete()
