"""The ledger adds up (SPEC 13.1): every message that ever arrived, by box and day, and the backup beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Protocol

from crmservice.backup import Found
from crmservice.pipeline.rule import Verdict
from crmservice.store import bulk, kept_mail
from crmservice.store.database import refresh
from crmservice.words import Words, joined

KNOWN = frozenset({"", *(verdict.value for verdict in Verdict)})

Told = Callable[[int, int], None]
"""Told how many of how many messages were compared."""


class Backup(Protocol):
    """What the ledger asks of the raw mail (``backup.RawMail``)."""

    def days(self) -> list[str]:
        """The folders that hold mail."""

    def files(self, day: str) -> Iterator[Found]:
        """The mails of one of them."""

    def size(self, path: str) -> int:
        """A mail's size in bytes."""

    def checksum(self, path: str) -> str:
        """Its SHA-256 in hex."""


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
        """Count messages with this verdict; an empty one waits, and one that there is not counts as arrived alone."""
        self.arrived += count
        if verdict in KNOWN:
            name = verdict or "waiting"
            setattr(self, name, getattr(self, name) + count)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that does not add up. ``kind`` is a code, ``about`` the path, box or table it is about."""

    kind: str
    about: str
    what: Words

    @property
    def words(self) -> Words:
        """The whole sentence."""
        return joined(": ", [self.about, self.what])


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that has a backup, and its checksum. ``changed``: the backup is not what arrived (neverFile, erasure).

    ``size`` in bytes, as it arrived.
    """

    id: int
    path: str
    sha256: str
    size: int
    changed: bool = False

    def is_of(self, mail: bytes) -> bool:
        """Whether these are its bytes."""
        return checksum(mail) == self.sha256


def checksum(mail: bytes) -> str:
    """The SHA-256 of a mail in hex."""
    return hashlib.sha256(mail).hexdigest()


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


def sums(boxes: dict[str, Counts]) -> Iterator[Difference]:
    """Boxes where arrived is not the sum of the others."""
    for name, counts in boxes.items():
        _arrived, *others = asdict(counts).values()
        if (lacking := counts.arrived - sum(others)) != 0:
            yield Difference("sum", name, Words("messages with a verdict that there is not: {count}", count=lacking))


def nobody_arriving() -> Collection[str]:
    """No file is on its way."""
    return ()


def differences(
    backup: Backup,
    *,
    quick: bool = False,
    arriving: Callable[[], Collection[str]] = nobody_arriving,
    told: Told | None = None,
) -> Iterator[Difference]:
    """Where the backup's files and the inbox rows disagree, day by day.

    A file without a row, a row without a file, another size, another checksum (``quick``: not read). Oversized mail
    has no file, and erased mail none any more: their rows have no path. ``arriving`` gives the files that are noted as
    on their way at this moment: mail may come while this looks, so whatever differs is looked at once more.
    """
    refresh()
    compare = _Comparison(backup, quick, arriving, told or (lambda _done, _total: None))
    folders = backup.days()
    for day in sorted({*folders, *kept_mail.days()}):
        yield from compare.day(day, there=day in folders)


@dataclass
class _Comparison:
    """The rows of a day held against its files; memory is that of a day."""

    backup: Backup
    quick: bool
    arriving: Callable[[], Collection[str]]
    told: Told
    done: int = 0
    total: int = 0

    def __post_init__(self) -> None:
        self.total = with_backup()

    def day(self, day: str, *, there: bool) -> Iterator[Difference]:
        """What differs on a day: first by the files, then the rows whose file was not among them."""
        rows = kept(day)
        strangers = []
        for file in sorted(self.backup.files(day), key=lambda file: file.path) if there else ():
            if (row := rows.pop(file.path, None)) is None:
                strangers.append(file.path)
            else:
                yield from self._one(row, file.size)
        for row in rows.values():
            yield from self._one(row, None)
        for path in self._without_row(strangers):
            yield Difference("file-without-row", path, Words("a file of the backup that no message has"))

    def _one(self, row: Kept, listed: int | None) -> Iterator[Difference]:
        self.done += 1
        self.told(self.done, self.total)
        if self._compared(row, listed) is None:
            return
        now = _again(row)
        if now is not None and (found := self._compared(now, None)) is not None:
            yield found

    def _compared(self, row: Kept, listed: int | None) -> Difference | None:
        """What differs; a file that was not listed is asked for by itself (its folder may be another day's)."""
        try:
            size = self.backup.size(row.path) if listed is None else listed
            if not row.changed and size != row.size:
                what = Words("has {actual} bytes, {size} arrived", actual=size, size=row.size)
                return Difference("size", row.path, what)
            if not self.quick and self.backup.checksum(row.path) != row.sha256:
                return Difference("checksum", row.path, Words("its checksum is another than at its arrival"))
        except OSError:
            return Difference("row-without-file", row.path, Words("the backup of a message is missing"))
        return None

    def _without_row(self, paths: list[str]) -> Iterator[str]:
        """Those that no row names even now. A note ends after its rows are there: so the notes are read first."""
        if paths:
            noted = set(self.arriving())
            named = {path for (path,) in bulk.query_in("SELECT path FROM crm_message WHERE path IN {in}", paths)}
            yield from (path for path in paths if path not in named and path not in noted)


_ROW = "SELECT id, path, sha256, size, stored_sha256 FROM crm_message"


def with_backup() -> int:
    """How many messages have a backup."""
    return int(bulk.query("SELECT count(*) FROM crm_message WHERE path <> ''")[0][0])


def kept(day: str) -> dict[str, Kept]:
    """The messages of a day (``yyyy-MM-dd``) that have a backup, by its path; none for another word."""
    refresh()
    if not is_day(day):
        return {}
    # Box by box, because the index that finds a day begins with the box.
    boxes = [box for (box,) in bulk.query("SELECT DISTINCT box FROM crm_message")]
    sql = f"{_ROW} WHERE box = %s AND day = %s AND path <> ''"
    rows = (_row(row) for box in boxes for row in bulk.query(sql, [box, day]))
    return {row.path: row for row in rows}


def _row(values: Iterable[Any]) -> Kept:
    key, path, sha256, size, stored = values
    return Kept(key, path, stored or sha256, size, bool(stored))


def is_day(text: str) -> bool:
    """Whether this is a day, ``yyyy-MM-dd``."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _again(row: Kept) -> Kept | None:
    """The row as it is now; None where it has no backup any more."""
    found = bulk.query(f"{_ROW} WHERE id = %s AND path <> ''", [row.id])
    return _row(found[0]) if found else None
