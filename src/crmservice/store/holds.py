"""Legal holds: nothing of these addresses and domains is erased, whatever asks for it (SPEC 13.9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crmservice.crm.ids import new_id
from crmservice.errors import CrmServiceError
from crmservice.mail.listed import is_listed
from crmservice.store import audit, bulk
from crmservice.store.database import reading, writing
from crmservice.store.models import Hold


class UnderHold(CrmServiceError):
    """A legal hold stops this."""


@dataclass(frozen=True, slots=True)
class Held:
    """A hold. ``address``: an address or a domain in lower case; ``since`` aware and UTC."""

    address: str
    reason: str
    by: str
    since: datetime


def hold(address: str, reason: str, by: str, source: str) -> None:
    """Put an address or a domain under a hold; one that is under it already keeps its day. Raises DatabaseUnavailable."""
    row = [new_id(), address.lower(), reason, by, bulk.now()]
    conflict = "(address) DO UPDATE SET reason = excluded.reason"
    with writing():
        bulk.insert(Hold, "id", "address", "reason", "by", "since", conflict=conflict).run([row])
        audit.append(by, source, "hold", address)


def release(address: str, by: str, source: str) -> bool:
    """End a hold; False where there was none. Raises DatabaseUnavailable."""
    with writing():
        found = bulk.execute("DELETE FROM crm_hold WHERE address = %s", [address.lower()]) > 0
        if found:
            audit.append(by, source, "release", address)
    return found


def read() -> list[Held]:
    """Every hold, by its address. Raises DatabaseUnavailable."""
    with reading():
        rows = Hold.objects.order_by("address").values_list("address", "reason", "by", "since")
        return [Held(*row) for row in rows]


def covers(holds: frozenset[str], address: str) -> bool:
    """Whether an address (in lower case) is under one of these holds."""
    return bool(holds) and is_listed(address, holds)


def check(address: str) -> None:
    """Raise UnderHold, which says since when and why, where this address is under a hold."""
    for held in read():
        if is_listed(address.lower(), frozenset({held.address})):
            raise UnderHold(
                "a legal hold on {held} stops this since {since:%Y-%m-%d}: {reason}",
                held=held.address,
                since=held.since,
                reason=held.reason or "–",
            )
