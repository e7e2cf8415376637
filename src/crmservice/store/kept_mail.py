"""The rows of the inbox that still hold something of somebody: what erasure and retention go through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from crmservice.store import bulk
from crmservice.store.database import refresh
from crmservice.store.models import Message

PAGE = 500


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A message that was not erased. ``path`` is empty where it has no backup, ``verdict`` where it waits."""

    id: int
    box: str
    path: str
    arrived: datetime
    sender: str
    verdict: str
    gone: bool
    size: int


_SQL = "SELECT id, box, path, arrived, sender, verdict, gone, size FROM crm_message WHERE erased IS NULL AND id > %s"


def count() -> int:
    """How many there are."""
    refresh()
    return int(bulk.query("SELECT count(*) FROM crm_message WHERE erased IS NULL")[0][0])


def days() -> set[str]:
    """The days (``yyyy-MM-dd``) on which messages arrived that have a backup."""
    refresh()
    found = (day for (day,) in bulk.query("SELECT DISTINCT day FROM crm_message WHERE path <> ''"))
    return {day.isoformat() if isinstance(day, date) else str(day) for day in found}


def arrived_after(time: datetime) -> list[int]:
    """Those that arrived later than this."""
    refresh()
    return list(Message.objects.filter(erased__isnull=True, arrived__gt=time).values_list("id", flat=True))


def every(where: str = "", *parameters: object) -> Iterator[KeptMail]:
    """All of them in order of arrival; ``where`` (our own text) leaves some out."""
    last = 0
    more = f" AND {where}" if where else ""
    while True:
        refresh()
        rows = bulk.query(f"{_SQL}{more} ORDER BY id LIMIT {PAGE}", [last, *parameters])
        for row in rows:
            yield _kept(*row)
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


def _kept(
    key: int, box: str, path: str, arrived: object, sender: str, verdict: str, gone: object, size: int
) -> KeptMail:
    time = bulk.aware(arrived)
    assert time is not None
    return KeptMail(key, box, path, time, sender, verdict, bool(gone), size)
