"""Legal holds: nothing of these addresses and domains is erased, whatever asks for it (SPEC 13.9).

They stand in a table and in a file of the home, ``.crmservice/holds``, so that a restored database does not forget the newest
ones. A hold that ended is named there by its HMAC alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from crmservice.crm.ids import new_id
from crmservice.errors import CrmServiceError
from crmservice.mail.listed import is_listed
from crmservice.store import audit, bulk, database, erasures, journal
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


def file(home: Path | None = None) -> Path:
    """Where the holds of a home are noted; None: of the one in use."""
    return (database.home() if home is None else home) / database.PRIVATE / "holds"


def hold(address: str, reason: str, by: str, source: str) -> None:
    """Put an address or a domain under a hold; one that is under it already keeps its day.

    Raises DatabaseUnavailable, or OSError where it can't be noted.
    """
    held = Held(address.strip().lower(), reason, by, bulk.now())
    with writing():
        _write([held])
        audit.append(by, source, "hold", held.address)
        journal.append(file(), map(_line, [one for one in read() if one.address == held.address]))


def release(address: str, by: str, source: str) -> bool:
    """End a hold; False where there was none. Raises as ``hold``."""
    address = address.strip().lower()
    with writing():
        found = bulk.execute("DELETE FROM crm_hold WHERE address = %s", [address]) > 0
        if found:
            audit.append(by, source, "release", address)
            ended = {"released": erasures.digest(address), "at": bulk.now().isoformat()}
            journal.rewrite(file(), _kept([*journal.read(file()), ended]))
    return found


def read() -> list[Held]:
    """Every hold, by its address. Raises DatabaseUnavailable."""
    with reading():
        rows = Hold.objects.order_by("address").values_list("address", "reason", "by", "since")
        return [Held(*row) for row in rows]


def take_over(*places: Path) -> None:
    """Make the holds of these files hold in a store that was restored, and end those that ended since."""
    said = journal.read(*places)
    ended = _ended(said)
    with writing():
        noted = [_held(one) for one in said if "address" in one]
        _write([held for held in noted if not _is_over(held, ended)])
        over = [held.address for held in read() if _is_over(held, ended)]
        bulk.execute_in("DELETE FROM crm_hold WHERE address IN {in}", over)
    journal.rewrite(file(), _kept(said))


def merge(into: Path, *others: Path) -> None:
    """Add the holds of other files to one, in which those that ended stay by their HMAC alone. Raises OSError."""
    journal.merge(into, *others)
    said = journal.read(into)
    if (kept := _kept(said)) != said:
        journal.rewrite(into, kept)


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


def _write(holds: Iterable[Held]) -> None:
    rows = [(new_id(), held.address, held.reason, held.by, held.since) for held in holds]
    conflict = "(address) DO UPDATE SET reason = excluded.reason"
    bulk.insert(Hold, "id", "address", "reason", "by", "since", conflict=conflict).run(rows)


def _line(held: Held) -> dict[str, Any]:
    return {**asdict(held), "since": held.since.isoformat()}


def _held(line: Mapping[str, Any]) -> Held:
    return Held(**{**line, "since": datetime.fromisoformat(line["since"])})


def _kept(said: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is written of it: of holds that ended the HMAC alone."""
    ended = _ended(said)
    return [one for one in said if "released" in one or not _is_over(_held(one), ended)]


def _ended(said: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """HMAC -> when a hold on it ended last."""
    found: dict[str, datetime] = {}
    for one in said:
        if "released" in one:
            at = datetime.fromisoformat(one["at"])
            found[one["released"]] = max(at, found.get(one["released"], at))
    return found


def _is_over(held: Held, ended: Mapping[str, datetime]) -> bool:
    until = ended.get(erasures.digest(held.address)) if ended else None
    return until is not None and held.since <= until
