"""The inbox: a row for every message that ever arrived, durable before its server lets it go (SPEC chapter 3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from crmservice.crm.ids import new_id
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.rule import Step, Verdict
from crmservice.store import bulk, notices, texts
from crmservice.store.database import reading, writing
from crmservice.store.models import Message
from crmservice.store.trails import log_json, read_log, trail_json

SET_ASIDE = ("SET ASIDE",)


@dataclass(frozen=True, slots=True)
class New:
    """A message that arrived; its backup is durable already.

    ``path`` is below the home, with ``/``; empty for an oversized mail, which gets its ``verdict`` at once.
    ``arrived`` is aware and UTC, ``day`` the local day of the arrival. ``gone``: there is nothing to delete
    at the source (a mail taken by SMTP, an import that copies). ``row``: the row of this very mail, which was set
    aside as too large; what is new of it goes there.
    """

    box: str
    source: str
    source_id: str
    sha256: str
    size: int
    path: str
    arrived: datetime
    day: date
    verdict: str = ""
    log: tuple[str, ...] = ()
    trail: tuple[Step, ...] = ()
    sender: str = ""
    subject: str = ""
    gone: bool = False
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the inbox, to be shown. ``verdict`` is empty while it waits, ``first`` what it repeats."""

    id: int
    box: str
    day: date
    arrived: datetime
    sender: str
    subject: str
    size: int
    path: str
    sha256: str
    verdict: str
    log: tuple[str, ...]
    attempts: int
    first: int | None


class Lease(Protocol):
    """Who works on a box; ``check`` raises LeaseLost inside the transaction when somebody else does."""

    def check(self) -> None:
        """Raise LeaseLost unless the lease still holds."""


_NEW = (
    "id", "box", "source", "source_id", "gone", "sha256", "size", "path", "arrived", "day", "attempts", "verdict",
    "log", "trail", "direction", "sender", "sender_verified", "subject", "stored_sha256",
)  # fmt: skip


def accept(arrivals: Sequence[New], lease: Lease | None = None) -> list[int]:
    """Insert a row for each arrival, in their order, in one durable transaction; returns their ids.

    Only when this has returned may the messages be deleted at their source. Raises LeaseLost, or
    DatabaseUnavailable: then nothing is stored.
    """
    ids = [new_id() if new.row is None else new.row for new in arrivals]
    pairs = list(zip(ids, arrivals, strict=True))
    first = [(key, new) for key, new in pairs if new.row is None]
    with _holding(lease):
        bulk.insert(Message, *_NEW).run(_row(key, new) for key, new in first)
        bulk.update(Message, *_FOUND).run(_found(key, new) for key, new in pairs if new.row is not None)
        for key, new in first:
            if new.log == SET_ASIDE:
                facts = {"sender": new.sender, "subject": new.subject, "size": new.size}
                note_set_aside(key, new.box, new.trail[0].code, **facts)
    return ids


_FOUND = ("sha256", "size", "path", "day", "verdict", "log", "trail", "sender", "subject")
"""What is new of a mail that was too large, when it is looked at again."""


def _found(key: int, new: New) -> tuple[object, ...]:
    log, trail = log_json(new.log), trail_json(new.trail)
    return (new.sha256, new.size, new.path, new.day, new.verdict, log, trail, new.sender, new.subject, key)


def _row(key: int, new: New) -> tuple[object, ...]:
    return (
        key, new.box, new.source, new.source_id, new.gone, new.sha256, new.size, new.path, new.arrived, new.day, 0,
        new.verdict, log_json(new.log), trail_json(new.trail), "", new.sender, False, new.subject, "",
    )  # fmt: skip


def known(box: str, source: str, source_ids: Collection[str]) -> dict[str, list[tuple[int, str]]]:
    """Rows of these source ids whose deletion is unconfirmed: source id -> (id, sha256), in order of arrival.

    A message fetched again after a crash is one of them if its sha256 is the same.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    stored = {texts.storable(name)[:500]: name for name in source_ids}
    sql = (
        "SELECT source_id, id, sha256 FROM crm_message"
        " WHERE box = %s AND source = %s AND NOT gone AND source_id IN {in} ORDER BY id"
    )
    with reading():
        rows = bulk.query_in(sql, stored, before=[box, source])
    for name, key, sha256 in rows:
        found.setdefault(stored[name], []).append((key, sha256))
    return found


def larger(box: str, source: str, limit: int) -> set[str]:
    """The source ids of mail that is set aside because it is larger than ``limit`` bytes, still at its source."""
    sql = (
        "SELECT source_id FROM crm_message"
        " WHERE box = %s AND source = %s AND NOT gone AND sha256 = '' AND path = '' AND size > %s"
    )
    with reading():
        return {name for (name,) in bulk.query(sql, [box, source, limit])}


def returned(box: str, source: str, checksums: Mapping[str, str]) -> dict[str, int]:
    """Rows of these source ids with these sha256 whose deletion was confirmed: source id -> id of the last one."""
    stored = {(texts.storable(name)[:500], sha256): name for name, sha256 in checksums.items()}
    # Found by their checksums alone, which have an index; the other columns would lead the planner to another one.
    sql = "SELECT box, source, source_id, sha256, id FROM crm_message WHERE gone AND sha256 IN {in} ORDER BY id"
    with reading():
        rows = bulk.query_in(sql, set(checksums.values()))
    return {
        stored[name, sha256]: key
        for its_box, its_source, name, sha256, key in rows
        if (its_box, its_source) == (box, source) and (name, sha256) in stored
    }


def unconfirmed(box: str, source: str) -> dict[str, list[tuple[int, str]]]:
    """All rows of a source that are still to be deleted there: source id -> (id, sha256)."""
    found: dict[str, list[tuple[int, str]]] = {}
    sql = "SELECT source_id, id, sha256 FROM crm_message WHERE box = %s AND source = %s AND NOT gone ORDER BY id"
    with reading():
        rows = bulk.query(sql, [box, source])
    for name, key, sha256 in rows:
        found.setdefault(name, []).append((key, sha256))
    return found


def deletions(box: str, source: str, source_ids: Collection[str]) -> dict[str, bool]:
    """Those of these source ids that have a row -> whether each of their rows was confirmed to be deleted."""
    stored = {texts.storable(name)[:500]: name for name in source_ids}
    sql = "SELECT source_id, gone FROM crm_message WHERE box = %s AND source = %s AND source_id IN {in}"
    found: dict[str, bool] = {}
    with reading():
        rows = bulk.query_in(sql, stored, before=[box, source])
    for name, gone in rows:
        found[stored[name]] = found.get(stored[name], True) and bool(gone)
    return found


def confirm_gone(ids: Iterable[int], lease: Lease | None = None) -> None:
    """The source confirmed that it deleted these messages. Raises LeaseLost, or DatabaseUnavailable."""
    with _holding(lease):
        bulk.execute_in("UPDATE crm_message SET gone = %s WHERE id IN {in}", ids, before=[True])


def without_row(paths: Collection[str], lease: Lease | None = None) -> list[str]:
    """Those of these files of the backup that no row names. Raises LeaseLost, or DatabaseUnavailable.

    Asked with the right to write: a commit that is still on its way (its connection broke) comes first.
    """
    with _holding(lease):
        named = {path for (path,) in bulk.query_in("SELECT path FROM crm_message WHERE path IN {in}", paths)}
    return [path for path in paths if path not in named]


def pending(box: str, limit: int) -> list[Waiting]:
    """The rows of a box that wait for their verdict, at most ``limit``, in order of arrival."""
    sql = (
        "SELECT id, box, path, sha256, arrived, attempts, source FROM crm_message"
        " WHERE box = %s AND verdict = '' ORDER BY id LIMIT %s"
    )
    with reading():
        rows = bulk.query(sql, [box, limit])
    return [
        Waiting(key, name, path, sha256, bulk.moment(arrived), attempts, source)
        for key, name, path, sha256, arrived, attempts, source in rows
    ]


def claim(ids: Iterable[int], lease: Lease | None = None) -> None:
    """Count an attempt for each row, committed before its message is parsed (SPEC chapter 3). Raises LeaseLost."""
    with _holding(lease):
        bulk.execute_in("UPDATE crm_message SET attempts = attempts + 1 WHERE id IN {in}", ids)


def set_aside(row: int, reason: str, evidence: Mapping[str, object] | None = None, lease: Lease | None = None) -> bool:
    """Set a waiting row aside (log SET ASIDE); ``reason`` is a code. Returns False if it has a verdict already.

    Raises LeaseLost.
    """
    step = Step("set_aside", "", True, reason, dict(evidence or {}))
    with _holding(lease):
        changed = bulk.execute(
            "UPDATE crm_message SET verdict = %s, log = %s, trail = %s WHERE id = %s AND verdict = ''",
            [Verdict.SET_ASIDE.value, log_json(SET_ASIDE), trail_json((step,)), row],
        )
        if changed:
            ((box, path),) = bulk.query("SELECT box, path FROM crm_message WHERE id = %s", [row])
            note_set_aside(row, box, reason, path=path)
    return changed == 1


def note_set_aside(row: int, box: str, reason: str, **facts: object) -> None:
    """Note that a mail was set aside, in the transaction that does it: one notice for each (SPEC chapter 3)."""
    notices.note("set-aside", box, str(row), {"message": row, **facts, "reason": reason})


def requeue(ids: Iterable[int] | None = None) -> int:
    """Let rows that were set aside wait again with no attempt behind them; None: all of them.

    Rows without a backup (oversized mail, still at its source) stay as they are. Returns how many wait again.
    """
    sql = (
        "UPDATE crm_message SET verdict = '', log = '', trail = '', attempts = 0"
        " WHERE verdict = 'set_aside' AND path <> ''"
    )
    with writing():
        if ids is None:
            return bulk.execute(sql)
        return sum(bulk.execute(f"{sql} AND id = %s", [key]) for key in set(ids))


def release(ids: Iterable[int], lease: Lease | None = None) -> None:
    """Take an attempt back: it was not the message that failed. Raises LeaseLost."""
    sql = "UPDATE crm_message SET attempts = attempts - 1 WHERE attempts > 0 AND id IN {in}"
    with _holding(lease):
        bulk.execute_in(sql, ids)


def same_bytes(sha256: str) -> list[int]:
    """The rows of messages with this checksum."""
    with reading():
        return [key for (key,) in bulk.query("SELECT id FROM crm_message WHERE sha256 = %s ORDER BY id", [sha256])]


def boxes() -> list[str]:
    """The names of all boxes that ever got a message."""
    with reading():
        return [name for (name,) in bulk.query("SELECT DISTINCT box FROM crm_message ORDER BY box")]


def list_messages(
    *, box: str | None = None, day: date | None = None, verdict: str | None = None, before: int | None = None,
    ids: Collection[int] | None = None, limit: int = 100,
) -> list[Listed]:  # fmt: skip
    """Rows of the inbox, newest first, below the id ``before``; ``verdict`` empty lists those that wait."""
    wishes = [("box", box), ("day", day), ("verdict", verdict), ("id__in", ids)]
    rows = Message.objects.filter(**{name: wish for name, wish in wishes if wish is not None})
    if before is not None:
        rows = rows.filter(id__lt=before)
    names = (
        "id", "box", "day", "arrived", "sender", "subject", "size", "path", "sha256", "verdict", "log", "attempts", "first",
    )  # fmt: skip
    with reading():
        return [_listed(dict(zip(names, row, strict=True))) for row in rows.order_by("-id").values_list(*names)[:limit]]


def _listed(row: dict[str, object]) -> Listed:
    log = read_log(str(row.pop("log")))
    return Listed(log=log, **row)  # type: ignore[arg-type]


@contextmanager
def _holding(lease: Lease | None) -> Iterator[None]:
    """A transaction of who works on the box: a holder that lost its lease without noticing changes no row."""
    with writing():
        if lease is not None:
            lease.check()
        yield


class StoreInbox:
    """The inbox as capture and filing use it; whatever it changes, the lease is checked in the same transaction."""

    def __init__(self, lease: Lease | None = None) -> None:
        self._lease = lease

    def accept(self, arrivals: Sequence[New]) -> list[int]:
        """See ``accept``."""
        return accept(arrivals, self._lease)

    def without_row(self, paths: Collection[str]) -> list[str]:
        """See ``without_row``."""
        return without_row(paths, self._lease)

    def confirm_gone(self, ids: Iterable[int]) -> None:
        """See ``confirm_gone``."""
        confirm_gone(ids, self._lease)

    def claim(self, ids: Iterable[int]) -> None:
        """See ``claim``."""
        claim(ids, self._lease)

    def release(self, ids: Iterable[int]) -> None:
        """See ``release``."""
        release(ids, self._lease)

    def set_aside(self, row: int, reason: str, evidence: Mapping[str, object] | None = None) -> bool:
        """See ``set_aside``."""
        return set_aside(row, reason, evidence, self._lease)

    known = staticmethod(known)
    larger = staticmethod(larger)
    returned = staticmethod(returned)
    unconfirmed = staticmethod(unconfirmed)
    pending = staticmethod(pending)
