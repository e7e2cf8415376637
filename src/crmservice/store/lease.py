"""Who works on a box: one process at a time (HOUSE.md, point 10).

SQLite: a locked file in the home, which the kernel frees when its holder dies. PostgreSQL: a row with the
server's own clock, which must be renewed. Both carry an epoch: a holder that lost its lease without noticing
(a paused process) is refused inside the transaction in which it would write.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from crmservice.errors import TryLater
from crmservice.store import bulk, database, locks
from crmservice.words import Words, system_words

EXPIRY_S = 30.0
"""A lease on PostgreSQL that nobody renewed for so long is free."""

_RELEASED = -1


class LeaseHeld(TryLater):
    """Another process works on this box; the text says which."""


class LeaseLost(TryLater):
    """Another process took this box over meanwhile: nothing of this was written."""


@dataclass(slots=True)
class Lease:
    """The right to work on a box. ``descriptor`` is the locked file's (SQLite), None on PostgreSQL.

    ``expiry``: seconds after which it is free on PostgreSQL if nobody renews it.
    """

    box: str
    epoch: int
    descriptor: int | None = None
    expiry: float = EXPIRY_S

    def check(self) -> None:
        """Raise LeaseLost if somebody else has the box; inside the transaction that writes. Renews on PostgreSQL."""
        if self.descriptor is None:
            self._extend()
            return
        if _epoch(self.box) != self.epoch:
            raise LeaseLost

    @property
    def renewal(self) -> float | None:
        """How often to renew it, in seconds, so that two renewals may fail; None: the kernel knows its holder."""
        return self.expiry / 3 if self.descriptor is None else None

    def renew(self) -> None:
        """Keep the lease for as long again. Raises LeaseLost or DatabaseUnavailable."""
        with database.writing():
            self.check()

    def _extend(self) -> None:
        # The row stays locked to the end of the transaction: nobody can take the box over in between.
        sql = "UPDATE crm_lease SET until = clock_timestamp() + %s * interval '1 second' WHERE box = %s AND epoch = %s"
        if bulk.execute(sql, [self.expiry, self.box, self.epoch]) == 0:
            raise LeaseLost

    def release(self) -> None:
        """Give the box back; a second call does nothing."""
        if self.descriptor is None:
            free = "UPDATE crm_lease SET until = NULL, holder = '' WHERE box = %s AND epoch = %s"
            with database.writing():
                bulk.execute(free, [self.box, self.epoch])
        elif self.descriptor != _RELEASED:
            descriptor, self.descriptor = self.descriptor, _RELEASED
            _say(descriptor, "")
            os.close(descriptor)


def take(box: str, expiry: float = EXPIRY_S) -> Lease:
    """Take a box. Raises LeaseHeld, which names the holder, or DatabaseUnavailable."""
    return _take_row(box, expiry) if database.is_postgresql() else _take_file(box)


def held_boxes() -> list[str]:
    """The boxes that somebody works on, as far as a server knows; a file's holder is seen by its lock alone.

    Raises DatabaseUnavailable.
    """
    if not database.is_postgresql():
        return []
    with database.reading():
        if "crm_lease" not in database.tables():
            return []
        return [box for (box,) in bulk.query("SELECT box FROM crm_lease WHERE until > clock_timestamp() ORDER BY box")]


def holder() -> str:
    """This process: its number, its machine, and since when (UTC)."""
    return f"{os.getpid()} {socket.gethostname()} {bulk.now():%Y-%m-%d %H:%M:%S}"


def _held(box: str, holder: str) -> LeaseHeld:
    who = Words("another process")
    if len(parts := holder.split()) == 4:
        pid, machine, *when = parts
        who = Words("process {pid} on {machine} since {when} UTC", pid=pid, machine=machine, when=" ".join(when))
    return LeaseHeld("box {box}: {who} works on it", box=box, who=who)


def lock_file(box: str) -> Path:
    """The file that is locked for a box."""
    return database.home() / database.PRIVATE / f"{quote(box, safe=' ')}.lock"


def _take_file(box: str) -> Lease:
    path = lock_file(box)
    try:
        descriptor = locks.take(path)
    except OSError as fault:
        why = system_words(fault)
        raise database.DatabaseUnavailable("{path} can't be locked: {why}", path=path, why=why) from fault
    if descriptor is None:
        raise _held(box, _read_holder(path))
    try:
        _say(descriptor, json.dumps({"holder": holder()}))
        with database.writing():
            bulk.execute(_NEXT_EPOCH, [box, holder()])
            return Lease(box, _epoch(box), descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _say(descriptor: int, text: str) -> None:
    """Write who holds the lock: a word to people alone, so a full disk may refuse it."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())


_NEXT_EPOCH = (
    "INSERT INTO crm_lease (box, epoch, holder) VALUES (%s, 1, %s)"
    " ON CONFLICT (box) DO UPDATE SET epoch = crm_lease.epoch + 1, holder = excluded.holder"
)


def _read_holder(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["holder"])
    except (OSError, ValueError, KeyError):
        # It is just being written, or just let go.
        return ""


def _epoch(box: str) -> int:
    rows = bulk.query("SELECT epoch FROM crm_lease WHERE box = %s", [box])
    return int(rows[0][0]) if rows else 0


# A process that was paused while it wrote keeps the row locked although its lease has ended. The server's own time-out
# ends it between two statements, but not in the middle of a pipeline (psycopg's executemany).
_END_STUCK = (
    "SELECT pg_terminate_backend(a.pid) FROM crm_lease l JOIN pg_stat_activity a ON a.backend_xid = l.xmax"
    " WHERE l.box = %s AND l.until < clock_timestamp()"
)


_HOLDER = "SELECT holder FROM crm_lease WHERE box = %s AND until >= clock_timestamp()"


def _take_row(box: str, expiry: float) -> Lease:
    take_it = (
        "INSERT INTO crm_lease (box, epoch, holder, until)"
        " VALUES (%s, 1, %s, clock_timestamp() + %s * interval '1 second')"
        " ON CONFLICT (box) DO UPDATE SET epoch = crm_lease.epoch + 1, holder = excluded.holder, until = excluded.until"
        " WHERE crm_lease.until IS NULL OR crm_lease.until < clock_timestamp()"
    )
    with database.reading():
        # Looked at before it is written: who has the box may hold its row locked, and the wait for that has no end.
        if held := bulk.query(_HOLDER, [box]):
            raise _held(box, str(held[0][0]))
        bulk.query(_END_STUCK, [box])
    with database.writing():
        if bulk.execute(take_it, [box, holder(), expiry]) == 0:
            rows = bulk.query("SELECT holder FROM crm_lease WHERE box = %s", [box])
            raise _held(box, str(rows[0][0]))
        return Lease(box, _epoch(box), expiry=expiry)
