"""The ledger adds up (SPEC 13.1): every message that ever arrived, by box and day, and the backup beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from crmservice.store import bulk
from crmservice.store.database import refresh
from crmservice.words import Words, joined

FOLDER = "POP3Downloads"
_BLOCK = 1024 * 1024


@dataclass(slots=True)
class Counts:
    """How many messages arrived and what became of them: ``arrived`` is the sum of the others."""

    arrived: int = 0
    processed: int = 0
    skipped: int = 0
    duplicate: int = 0
    set_aside: int = 0
    waiting: int = 0

    def add(self, verdict: str, count: int) -> None:
        """Count messages with this verdict; an empty one waits. Raises AttributeError for an unknown verdict."""
        name = verdict or "waiting"
        setattr(self, name, getattr(self, name) + count)
        self.arrived += count


def by_day(box: str | None = None) -> dict[str, dict[date, Counts]]:
    """Box -> local day of arrival -> counts."""
    refresh()
    where, parameters = ("", []) if box is None else (" WHERE box = %s", [box])
    sql = f"SELECT box, day, verdict, count(*) FROM crm_message{where} GROUP BY box, day, verdict ORDER BY box, day"  # noqa: S608 (our own texts)
    found: dict[str, dict[date, Counts]] = {}
    for name, day, verdict, count in bulk.query(sql, parameters):
        found.setdefault(name, {}).setdefault(day, Counts()).add(verdict, count)
    return found


def by_box() -> dict[str, Counts]:
    """Box -> counts."""
    refresh()
    found: dict[str, Counts] = {}
    sql = "SELECT box, verdict, count(*) FROM crm_message GROUP BY box, verdict ORDER BY box"
    for name, verdict, count in bulk.query(sql):
        found.setdefault(name, Counts()).add(verdict, count)
    return found


def account(home: Path, *, quick: bool = False) -> dict[str, Any]:
    """What ``ledger`` prints: counts by box, and every difference as Words (SPEC chapter 14)."""
    boxes = {name: asdict(counts) for name, counts in by_box().items()}
    return {"boxes": boxes, "differences": list(differences(home, quick=quick))}


def differences(home: Path, *, quick: bool = False) -> Iterator[Words]:
    """Where the backup's files and the inbox rows disagree, in words.

    A file without a row, a row without a file, another size, another checksum (``quick``: not read).
    Oversized mail has no file, and erased mail none any more: their rows have no path.
    """
    refresh()
    rows = {
        path: (stored or sha256, None if stored else size)
        for path, sha256, size, stored in bulk.query("SELECT path, sha256, size, stored_sha256 FROM crm_message")
        if path
    }
    found = set()
    for path in _files(home):
        name = path.relative_to(home).as_posix()
        found.add(name)
        if name not in rows:
            yield Words("{file}: a file of the backup that no message has", file=name)
        elif (why := _differs(path, *rows[name], quick=quick)) is not None:
            yield joined(": ", [name, why])
    for name in sorted(rows.keys() - found):
        yield Words("{file}: the backup of a message is missing", file=name)


def _files(home: Path) -> Iterator[Path]:
    """The backup's mails; what ends in .tmp was never promised to anybody."""
    folder = home / FOLDER
    if folder.is_dir():
        yield from sorted(path for path in folder.glob("*/*") if path.is_file() and path.suffix != ".tmp")


def _differs(path: Path, sha256: str, size: int | None, *, quick: bool) -> Words | None:
    actual = path.stat().st_size
    if size is not None and actual != size:
        return Words("has {actual} bytes, {size} arrived", actual=actual, size=size)
    if not quick and checksum(path) != sha256:
        return Words("its checksum is another than at its arrival")
    return None


def checksum(path: Path) -> str:
    """SHA-256 of a file in hex, read block by block."""
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            total.update(block)
    return total.hexdigest()
