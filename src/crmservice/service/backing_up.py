"""A backup of the whole home while it works (TRUST.md C26).

A backup's folder holds ``mail/`` (the raw mail of all backups, each file once, added to each time), ``erasures`` and ``holds``
(the newest lists of both, also written when somebody is erased or held), and a folder for each backup: the database, the
home's other files, and a manifest that is written last. The database is copied before the mail, so each of its rows finds its mail here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crmservice import __version__
from crmservice.backup import FOLDER, BackupFailed, RawMail
from crmservice.backup.directory import HERE, make_folder
from crmservice.backup.folder import BackupFolder
from crmservice.backup.manifest import NAME, File, Manifest, described
from crmservice.errors import BadConfiguration, TryLater
from crmservice.store import database, dump, erasures, holds, journal, keys, ledger, locks
from crmservice.store.ledger import Told
from crmservice.words import library_words

MAIL = "mail"
HOME = "home"
JOURNALS = ("erasures", "holds")
"""Files of the home that say what a restored database can't know: the newest lie beside all backups."""

UNFINISHED = ".making-"
STAMP = "%Y-%m-%dT%H%M%SZ"
BATCH = 50
BATCH_BYTES = 8 * 1024 * 1024
UNFINISHED_KEPT = timedelta(hours=24)

_LEFT_OUT = (".lock", ".arriving", ".tmp", "-wal", "-shm", "-journal", ".sock", "audit.head")
"""Ends of files that say something of this moment alone (the audit log's head may be ahead of the copied database)."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made. ``mails``: how many were new here; ``spoilt``: paths of mails that are not as they arrived."""

    folder: Path
    messages: int
    mails: int
    bytes: int
    files: int
    spoilt: tuple[str, ...]
    removed: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """What ``backup --json`` prints."""
        lists = {"spoilt": list(self.spoilt), "removed": list(self.removed)}
        return {**asdict(self), **lists, "folder": str(self.folder)}


@dataclass
class BackUp:
    """Backs a home up into ``target``, of whose backups ``keep`` stay."""

    home: Path
    raw: RawMail
    target: Path
    keep: int
    now: Callable[[], datetime]
    told: Told = field(default=lambda _done, _total: None)
    stopping: Callable[[], bool] = field(default=lambda: False)

    def run(self) -> Made:
        """Make one. Raises BackupFailed where the disk refuses or another backup works there, or what ``dump`` raises."""
        self._check()
        try:
            make_folder(self.target)
            if (lock := locks.take(self.target / ".lock")) is None:
                raise BackupFailed("another backup is being made in {folder}", folder=self.target)
            try:
                return self._made()
            finally:
                os.close(lock)
        except OSError as fault:
            why = library_words(fault.strerror or str(fault))
            raise BackupFailed(
                "{file} can't be backed up: {why}", file=fault.filename or self.target, why=why
            ) from fault

    def _check(self) -> None:
        inside = self.target.resolve()
        if inside == self.home.resolve() or self.home.resolve() / FOLDER in (inside, *inside.parents):
            raise BadConfiguration("{folder} can't be the backup of itself: name another folder", folder=self.target)
        # Made now where nobody was erased yet: a list of erasures can't be read without the key that made it.
        mine = keys.secret(erasures.KEY)
        for folder in snapshots(self.target)[-1:]:
            if key_of(folder) not in (b"", mine):
                raise BadConfiguration(
                    "{folder} holds backups of another service: name another folder", folder=self.target
                )

    def _made(self) -> Made:
        stamp = self.now().astimezone(UTC).strftime(STAMP)
        fresh = self.target / f"{UNFINISHED}{stamp}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        try:
            messages = sum(counts.arrived for counts in ledger.by_box().values())
            dump.save(fresh / dump.name())
            files = [described(fresh, dump.name()), *self._files(fresh)]
            mails, size, spoilt = self._mails()
            Manifest(self.now(), __version__, dump.name(), messages, tuple(files)).write(fresh)
            folder = self._named(fresh, stamp)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        _merge(self.home, self.target)
        return Made(folder, messages, mails, size, len(files), spoilt, tuple(self._thin_out()))

    def _named(self, fresh: Path, stamp: str) -> Path:
        folder = self.target / stamp
        if folder.exists():  # two within a second: the newer one counts
            shutil.rmtree(folder)
        fresh.replace(folder)
        with HERE(self.target) as directory:
            directory.sync()
        return folder

    def _files(self, fresh: Path) -> Iterator[File]:
        """The home's other files: configuration, keys, logs. One that goes meanwhile is none."""
        for path in sorted(self._found()):
            name = f"{HOME}/{path.relative_to(self.home).as_posix()}"
            target = fresh / name
            make_folder(target.parent)
            with contextlib.suppress(FileNotFoundError):
                changed = path.stat().st_mtime
                dump.copy_durably(path, target)
                yield described(fresh, name, changed)

    def _found(self) -> Iterator[Path]:
        away = {self.target.resolve(), (self.home / FOLDER).resolve()}
        for place, folders, files in os.walk(self.home):
            inside = Path(place)
            folders[:] = [name for name in folders if (inside / name).resolve() not in away]
            yield from (inside / name for name in files if self._wanted(inside / name))

    def _wanted(self, path: Path) -> bool:
        own = path.name.endswith(_LEFT_OUT) or path.name.startswith(database.FILE) or path == dump.place()
        return path.is_file() and not own

    def _mails(self) -> tuple[int, int, tuple[str, ...]]:
        """Bring the mail of all backups up to date; how many came, their bytes, and those that are not as they arrived."""
        (self.target / MAIL).mkdir(mode=0o700, exist_ok=True)
        pool = BackupFolder(self.target / MAIL)
        erased = erasures.read(erasures.file(self.home))
        removed = erased.gone | erased.dropped
        pool.remove(sorted(removed))
        batch = _Batch(pool)
        spoilt: list[str] = []
        done = 0
        total = ledger.with_backup()
        there = set(pool.days())
        for day in self.raw.days():
            wanted = ledger.kept(day)
            have = {file.path: file.size for file in pool.files(day)} if day in there else {}
            for file in self.raw.files(day):
                self._stop_where_asked()
                row = wanted.get(file.path)
                if not _is_there(pool, file.path, have.get(file.path), row, file.size) and file.path not in removed:
                    self._copy(batch, file.path, row, spoilt)
                done += 1
                self.told(min(done, total), total)
        batch.write()
        return batch.mails, batch.written, tuple(spoilt)

    def _copy(self, batch: _Batch, path: str, row: ledger.Kept | None, spoilt: list[str]) -> None:
        try:
            mail = self.raw.read(path)
        except FileNotFoundError:  # it was on its way, or erased meanwhile
            return
        if row is not None and not row.is_of(mail):
            spoilt.append(path)  # what is here already may be the last good copy
        else:
            batch.add(path, mail)

    def _stop_where_asked(self) -> None:
        if self.stopping():
            raise TryLater("the backup was stopped; the next one goes on from here")

    def _thin_out(self) -> Iterator[str]:
        """Remove the oldest backups beyond ``keep``, and what was begun long ago and never ended."""
        for folder in snapshots(self.target)[: -self.keep]:
            shutil.rmtree(folder)
            yield folder.name
        limit = (self.now() - UNFINISHED_KEPT).timestamp()
        for folder in self.target.glob(f"{UNFINISHED}*"):
            if folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)


def tell(home: Path, target: Path) -> bool:
    """Bring the lists beside the backups up to date at once: a restore before the next backup is to know of them.

    Durable where it answers True. False where the folder is away, refuses, or is another service's: the next one tells all.
    Without a backup in it, it may be the place alone where a disk is to be mounted.
    """
    try:
        newest = snapshots(target)[-1:]
        if not newest or key_of(newest[0]) not in (b"", keys.secret(erasures.KEY)):
            return False
        _merge(home, target)
    except OSError:
        return False
    return True


def _merge(home: Path, target: Path) -> None:
    inside = home / database.PRIVATE
    journal.merge(target / "erasures", inside / "erasures")
    holds.merge(target / "holds", inside / "holds")


def snapshots(target: Path) -> list[Path]:
    """The backups in a folder, the oldest first. Raises OSError."""
    return sorted(path.parent for path in target.glob(f"[0-9]*/{NAME}"))


def key_of(backup: Path) -> bytes:
    """The key of a backup's list of erasures; empty where it has none."""
    try:
        return (backup / HOME / database.PRIVATE / f"{erasures.KEY}.key").read_bytes()
    except FileNotFoundError:
        return b""


@dataclass
class _Batch:
    """Mails to be written together: a sync takes the entries of all along."""

    pool: BackupFolder
    waiting: dict[str, bytes] = field(default_factory=dict)
    mails: int = 0
    written: int = 0
    _size: int = 0

    def add(self, path: str, mail: bytes) -> None:
        self.waiting[path] = mail
        self._size += len(mail)
        if len(self.waiting) >= BATCH or self._size >= BATCH_BYTES:
            self.write()

    def write(self) -> None:
        self.pool.put(self.waiting)
        self.mails += len(self.waiting)
        self.written += self._size
        self.waiting, self._size = {}, 0


def _is_there(pool: BackupFolder, path: str, have: int | None, row: ledger.Kept | None, size: int) -> bool:
    """Whether the mail is here as it should be: by its size; where it was changed since it arrived, by its checksum."""
    if have is None:
        return False
    if row is not None and row.changed:
        return pool.checksum(path) == row.sha256
    return have == (row.size if row is not None else size)
