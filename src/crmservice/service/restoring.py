"""A home from a backup (TRUST.md C26), erased again and with every mail that arrived since and is still there.

Mail that no row of the restored database names, in the home (a disk that survived, an object store) or beside the
backups, arrived after the backup was made: it is taken in as new. What was erased since then goes again; who is under
a legal hold since then stays so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from crmservice.backup import Found, RawMail
from crmservice.backup.directory import make_folder
from crmservice.backup.folder import BackupFolder
from crmservice.backup.manifest import NAME, BadBackup, Manifest
from crmservice.config import Box, Settings
from crmservice.errors import BadConfiguration, TryLater
from crmservice.service import wiring
from crmservice.service.adopting import Adopting, by_arrival
from crmservice.service.backing_up import BATCH, BATCH_BYTES, HOME, JOURNALS, MAIL, key_of, snapshots
from crmservice.service.erasing import Erasing
from crmservice.service.verifying import differences
from crmservice.store import audit, database, dump, erasures, holds, journal, kept_mail, lease, ledger, locks
from crmservice.store.ledger import Difference, Told
from crmservice.words import Words

SOURCE = "restored"
"""The source of mail that was taken in by a restore."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. ``mails``: copied from the backup; ``taken_in``: newer than the backup; ``erased``: rows, by table.

    ``compacted``: nothing of what was erased is left in the database's free pages.
    """

    backup: str
    messages: int
    mails: int
    taken_in: int
    erased: Mapping[str, int]
    compacted: bool
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, object]:
        """What ``restore --json`` prints."""
        told = [{"kind": one.kind, "about": one.about, "what": str(one.what)} for one in self.differences]
        names = ("backup", "messages", "mails", "taken_in", "compacted")
        return {**{name: getattr(self, name) for name in names}, "erased": dict(self.erased), "differences": told}


class _Backup(NamedTuple):
    """A backup: its folder, its manifest, the mail of all backups, and the folder that holds them all."""

    folder: Path
    manifest: Manifest
    pool: BackupFolder
    around: Path


@dataclass
class Restore:
    """Restores the newest backup of ``source`` (or the one that it is) into ``home``."""

    source: Path
    home: Path
    force: bool
    now: Callable[[], datetime]
    told: Told = field(default=lambda _done, _total: None)

    def run(self) -> Restored:
        """Do it. Raises BadBackup, BadConfiguration (the home is not empty), TryLater (it is in use), or what ``dump`` raises.

        Cut short, it is to be run again, with force.
        """
        backup = self._backup()
        self._check_home(backup)
        make_folder(self.home)
        with self._alone():
            self._copy_files(backup)
            found = wiring.configured(self.home)
            self._load(backup, found.settings)
            raw = wiring.raw_mail(found.settings)
            gone = erasures.read(erasures.file())
            changed = gone.replaced | gone.reduced
            mails = _Mails(backup.pool, raw, frozenset(gone.gone | gone.dropped), changed, self.told)
            copied = mails.bring_back()
            taken = _taken_in(raw, mails, found.boxes)
            erased, compacted = Erasing(self.home, raw, found.boxes, self.now).again(gone)
            audit.append(wiring.AT_THE_MACHINE, "cli", "restore", backup.folder.name, {"taken_in": taken})
            wrong = tuple(differences(raw, self.home, quick=True))
            messages = sum(counts.arrived for counts in ledger.by_box().values())
        return Restored(backup.folder.name, messages, copied, taken, erased, compacted, (*mails.spoilt, *wrong))

    def _backup(self) -> _Backup:
        folder = self.source
        if not (folder / NAME).is_file():
            if not (there := snapshots(self.source)):
                raise BadBackup("{folder} holds no backup", folder=self.source)
            folder = there[-1]
        manifest = Manifest.read(folder)
        manifest.check(folder)
        return _Backup(folder, manifest, BackupFolder(folder.parent / MAIL), folder.parent)

    def _check_home(self, backup: _Backup) -> None:
        if not self.force and self.home.is_dir() and any(self.home.iterdir()):
            raise BadConfiguration(
                "{home} is not empty: name a new folder, or back it up and give --force to replace database and"
                " configuration (its mail stays)",
                home=self.home,
            )
        mine = self.home / database.PRIVATE / f"{erasures.KEY}.key"
        if mine.is_file() and key_of(backup.folder) not in (b"", mine.read_bytes()):
            raise BadConfiguration(
                "{home} is the home of another service than the backup: what was erased there can't be read with its key."
                " Restore into an empty folder",
                home=self.home,
            )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold every lock of the home, so that no service works in it meanwhile."""
        with contextlib.ExitStack() as held:
            for file in sorted((self.home / database.PRIVATE).glob("*.lock")):
                if file.name == database.MIGRATE_LOCK_FILE:  # taken below, for a moment
                    continue
                if (lock := locks.take(file)) is None:
                    raise TryLater("{home} is in use ({what}): stop the service first", home=self.home, what=file.stem)
                held.callback(os.close, lock)
            yield

    def _copy_files(self, backup: _Backup) -> None:
        """Configuration, keys, logs; the lists of erasures and holds are brought together, none is lost."""
        for file in backup.manifest.files:
            inside = PurePosixPath(file.path)
            if inside.parts[0] != HOME or inside.name in JOURNALS:
                continue
            target = self.home / inside.relative_to(HOME)
            make_folder(target.parent)
            dump.copy_durably(backup.folder / inside, target)
            os.utime(target, (file.changed, file.changed))
        for name in JOURNALS:
            others = (backup.folder / HOME / database.PRIVATE / name, backup.around / name)
            journal.merge(self.home / database.PRIVATE / name, *others)

    def _load(self, backup: _Backup, settings: Settings) -> None:
        database.connect(self.home, settings.database)
        if not self.force and not dump.is_empty():
            raise BadConfiguration(
                "the database of crmservice.toml holds records: name another (CRMSERVICE_DATABASE), or give --force to"
                " replace them"
            )
        if in_use := lease.held_boxes():
            raise TryLater("{home} is in use ({what}): stop the service first", home=self.home, what=", ".join(in_use))
        dump.load(backup.folder / backup.manifest.database)
        database.migrate()
        audit.head_is_newest()
        holds.take_over(holds.file())


@dataclass
class _Mails:
    """Brings the restored rows' mail back, from beside the backups where it is not here as it should be.

    ``removed``: paths of mail that was erased; ``changed``: path -> checksum of what was put in its place since.
    """

    pool: BackupFolder
    raw: RawMail
    removed: frozenset[str]
    changed: Mapping[str, str]
    told: Told
    copied: int = 0
    spoilt: list[Difference] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    _batch: dict[str, bytes] = field(default_factory=dict)
    _bytes: int = 0

    def bring_back(self) -> int:
        """Returns how many were copied; those that are not as they arrived stand in ``spoilt``."""
        total = ledger.with_backup()
        for day in sorted(kept_mail.days()):
            for path, row in ledger.kept(day).items():
                self.known.add(path)
                if path not in self.removed:
                    self._bring(path, row)
                self.told(len(self.known), total)
        self._write()
        return self.copied

    def newer(self, where: RawMail) -> Iterator[Found]:
        """Mail that no row names, in order of arrival."""
        yield from (file for file in by_arrival(where) if file.path not in self.known and file.path not in self.removed)

    def _bring(self, path: str, row: ledger.Kept) -> None:
        right = {row.sha256, self.changed.get(path, row.sha256)}
        here = _checksum(self.raw, path)
        if here in right:
            return
        there = _checksum(self.pool, path)
        if there in right or (here is None and there is not None):
            self._copy(path)
        if there not in right and (here or there):  # a mail that was spoilt is better than none
            self.spoilt.append(Difference("checksum", path, Words("its checksum is another than at its arrival")))

    def _copy(self, path: str) -> None:
        self._batch[path] = self.pool.read(path)
        self._bytes += len(self._batch[path])
        if len(self._batch) >= BATCH or self._bytes >= BATCH_BYTES:
            self._write()

    def _write(self) -> None:
        self.raw.put(self._batch)
        self.copied += len(self._batch)
        self._batch, self._bytes = {}, 0


def _checksum(raw: RawMail, path: str) -> str | None:
    try:
        return raw.checksum(path)
    except OSError:
        return None


def _taken_in(raw: RawMail, mails: _Mails, boxes: Sequence[Box]) -> int:
    """Take in mail of the home, and what lies beside the backups beyond it. Returns how many; none where there is no box."""
    adopting = Adopting(raw, boxes, SOURCE)
    homes: tuple[RawMail, ...] = (raw, mails.pool) if boxes else ()
    for home in homes:
        for file in mails.newer(home):
            adopting.take(home, file)
            mails.known.add(file.path)
    adopting.write()
    return adopting.count
