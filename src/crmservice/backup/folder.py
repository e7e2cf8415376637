"""The local backup: POP3Downloads/yyyy-MM-dd/GUID.eml (manual 9), written so that a power cut loses nothing.

The order is TRUST.md M2: temporary file, fsync, rename, fsync of the folder. Only then may a row of the
database name the file, and only after that may the mail be deleted where it came from (SPEC chapter 3).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath

from crmservice.backup import FOLDER, BackupFailed, Found, Kept
from crmservice.backup.directory import BINARY, HERE, Directory
from crmservice.backup.in_flight import InFlight, left_by
from crmservice.words import system_words

TEMPORARY = ".tmp"
BLOCK = 1024 * 1024

SYNCS_AT_ONCE = 8
"""A sync waits for the disk, which does many together in hardly more time than one."""


class BackupFolder:
    """Keeps raw mail below a home folder (``backup.RawMail``). ``in_flight`` notes what is written before a row names it.

    ``directory`` opens a folder to write into: by descriptor where the system can, by path on Windows.
    """

    def __init__(self, home: Path, in_flight: InFlight | None = None, directory: type[Directory] = HERE) -> None:
        self.home = home
        self._root = str(home)
        self._in_flight = in_flight
        self._directory = directory
        self._durable: set[PurePosixPath] = set()

    def keep(self, mails: Sequence[bytes], day: date) -> list[Kept]:
        """Write mails under the day's folder, all of them durable when this returns.

        Raises BackupFailed when the disk refuses; what was written by then is never named by a row and is
        removed. A failed fsync is never tried again on the same file: the kernel may have dropped the page.
        """
        folder = PurePosixPath(FOLDER, day.isoformat())
        named = {f"{uuid.uuid4()}.eml": mail for mail in mails}
        paths = [str(folder / name) for name in named]
        try:
            if self._in_flight is not None:
                self._in_flight.begin(paths)
            self._make(folder)
            self._write(folder, named)
        except OSError as fault:
            with contextlib.suppress(OSError):  # the disk is in trouble; what is left is noted
                self._forget([name for path in paths for name in (path, f"{path}{TEMPORARY}")])
            raise _refused(self.home / folder, fault) from fault
        return [_kept(path, mail) for path, mail in zip(paths, mails, strict=True)]

    def put(self, mails: Mapping[str, bytes]) -> list[Kept]:
        """Keep mails under the paths that they had before, durable when this returns. Raises BackupFailed."""
        folders: dict[PurePosixPath, dict[str, bytes]] = {}
        for path, mail in mails.items():
            place = PurePosixPath(path)
            folders.setdefault(place.parent, {})[place.name] = mail
        for folder, named in folders.items():
            try:
                self._make(folder)
                self._write(folder, named)
            except OSError as fault:
                with contextlib.suppress(OSError):
                    self._forget([f"{folder / name}{TEMPORARY}" for name in named])
                raise _refused(self.home / folder, fault) from fault
        return [_kept(path, mail) for path, mail in mails.items()]

    def unsettled(self) -> list[str]:
        """Files that may have no row: their batch was cut short after it was noted. Raises BackupFailed."""
        return left_by(self._in_flight)

    def settle(self, without_row: Sequence[str] = ()) -> None:
        """Every file of the batch has its row but these, which are removed. Raises BackupFailed.

        Durably, before the note of them ends: a power cut could bring them back, and nobody would know them any more.
        """
        try:
            self._forget_durably(without_row)
            if self._in_flight is not None:
                self._in_flight.end()
        except OSError as fault:
            raise BackupFailed("what the last run left can't be removed: {why}", why=system_words(fault)) from fault

    def read(self, path: str) -> bytes:
        """The bytes of a kept mail. Raises OSError when the file is gone."""
        file = os.open(os.path.join(self._root, path), os.O_RDONLY | BINARY)  # noqa: PTH118 (asked for every message)
        try:
            return _read_all(file)
        finally:
            os.close(file)

    def size(self, path: str) -> int:
        """The size of a kept mail in bytes. Raises OSError when the file is gone."""
        return os.stat(os.path.join(self._root, path)).st_size  # noqa: PTH116, PTH118 (asked for every message)

    def checksum(self, path: str) -> str:
        """SHA-256 of a kept mail in hex, read block by block. Raises OSError when the file is gone."""
        total = hashlib.sha256()
        with (self.home / path).open("rb") as stream:
            while block := stream.read(BLOCK):
                total.update(block)
        return total.hexdigest()

    def replace(self, path: str, content: bytes) -> Kept:
        """Keep ``content`` in the place of a kept mail, durable when this returns. Raises BackupFailed."""
        place = PurePosixPath(path)
        try:
            self._write(place.parent, {place.name: content})
        except OSError as fault:
            with contextlib.suppress(OSError):
                self._forget([f"{path}{TEMPORARY}"])
            raise _refused(self.home / path, fault) from fault
        return _kept(path, content)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files, and what a death may have left beside them, durably. Raises BackupFailed."""
        try:
            self._forget_durably(paths)
        except OSError as fault:
            raise BackupFailed(
                "the backup {path} can't be removed: {why}",
                path=fault.filename,
                why=system_words(fault),
            ) from fault

    def days(self) -> list[str]:
        """The folders that hold mail, in order."""
        folder = self.home / FOLDER
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def files(self, day: str) -> Iterator[Found]:
        """The files of a day's folder; what ends in .tmp was never promised to anybody."""
        with os.scandir(self.home / FOLDER / day) as entries:
            for entry in entries:
                if entry.is_file() and not entry.name.endswith(TEMPORARY):
                    facts = entry.stat()
                    written = datetime.fromtimestamp(facts.st_mtime, UTC)
                    yield Found(f"{FOLDER}/{day}/{entry.name}", facts.st_size, written)

    def _make(self, folder: PurePosixPath) -> None:
        """Make the day's folder, durable in its parent: a run that made it may have died at once."""
        path = self.home / folder
        if folder not in self._durable or not path.is_dir():
            for new in (path.parent, path):
                new.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._sync(new.parent)
            self._durable.add(folder)

    def _sync(self, path: Path) -> None:
        with self._directory(path) as directory:
            directory.sync()

    def _write(self, folder: PurePosixPath, named: Mapping[str, bytes]) -> None:
        with self._directory(self.home / folder) as directory:
            _write(directory, named)

    def _forget_durably(self, paths: Sequence[str]) -> None:
        self._forget([name for path in paths for name in (path, f"{path}{TEMPORARY}")])
        for folder in sorted({PurePosixPath(path).parent for path in paths}):
            with contextlib.suppress(FileNotFoundError):
                self._sync(self.home / folder)

    def _forget(self, written: Sequence[str]) -> None:
        for path in written:
            (self.home / path).unlink(missing_ok=True)


def _write(directory: Directory, named: Mapping[str, bytes]) -> None:
    """Write files under their names, all of them durable when this returns: each is synced, then named, then the folder.

    All are written before the first is synced: that sync takes the others' entries along, and theirs cost little.
    """
    with contextlib.ExitStack() as opened:
        files = []
        for name, content in named.items():
            file = directory.create(f"{name}{TEMPORARY}")
            opened.callback(os.close, file)
            _write_all(file, content)
            files.append(file)
        _sync_all(files)
    for name in named:
        directory.rename(f"{name}{TEMPORARY}", name)
    directory.sync()


def _sync_all(files: Sequence[int]) -> None:
    """Sync files, each once, several at a time where there are many. Raises OSError when all came to an end."""
    if len(files) <= SYNCS_AT_ONCE:
        _sync_each(files)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(SYNCS_AT_ONCE, "sync") as threads:
        shares = [threads.submit(_sync_each, files[first::SYNCS_AT_ONCE]) for first in range(SYNCS_AT_ONCE)]
    for share in shares:
        share.result()


def _sync_each(files: Sequence[int]) -> None:
    for file in files:
        os.fsync(file)


def _refused(path: Path, fault: OSError) -> BackupFailed:
    return BackupFailed("the backup {path} can't be written: {why}", path=path, why=system_words(fault))


def _kept(path: str, content: bytes) -> Kept:
    return Kept(path, hashlib.sha256(content).hexdigest(), len(content))


def _write_all(file: int, mail: bytes) -> None:
    rest = memoryview(mail)
    while rest:
        rest = rest[os.write(file, rest) :]


def _read_all(file: int) -> bytes:
    """Everything in the file, in one read where it is not large."""
    size = os.fstat(file).st_size
    parts = []
    while part := os.read(file, size + 1):
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
