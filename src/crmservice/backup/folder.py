"""The local backup: POP3Downloads/yyyy-MM-dd/GUID.eml (manual 9), written so that a power cut loses nothing.

The order is TRUST.md M2: temporary file, fsync, rename, fsync of the folder. Only then may a row of the
database name the file, and only after that may the mail be deleted where it came from (SPEC chapter 3).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from crmservice.backup.in_flight import InFlight
from crmservice.errors import TryLater

FOLDER = "POP3Downloads"
TEMPORARY = ".tmp"


class BackupFailed(TryLater):
    """The backup could not be written; the mail stays where it is. Look at the disk's space and health."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the backup: its path below the home (with ``/``), SHA-256 in hex, and size in bytes."""

    path: str
    sha256: str
    size: int


class BackupFolder:
    """Keeps raw mail below a home folder. ``in_flight`` notes what is written before a row names it."""

    def __init__(self, home: Path, in_flight: InFlight | None = None) -> None:
        self.home = home
        self._root = str(home)
        self._in_flight = in_flight
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
            directory = self._folder(folder)
            try:
                _write(directory, named)
            finally:
                os.close(directory)
        except OSError as fault:
            with contextlib.suppress(OSError):  # the disk is in trouble; what is left is noted
                self._forget([name for path in paths for name in (path, f"{path}{TEMPORARY}")])
            raise BackupFailed(f"the backup {self.home / folder} can't be written: {fault.strerror}") from fault
        return [_kept(path, mail) for path, mail in zip(paths, mails, strict=True)]

    def unsettled(self) -> list[str]:
        """Files that may have no row: their batch was cut short after it was noted. Raises BackupFailed."""
        try:
            return self._in_flight.left() if self._in_flight is not None else []
        except OSError as fault:
            raise BackupFailed(f"what the last run left can't be read: {fault.strerror}") from fault

    def settle(self, without_row: Sequence[str] = ()) -> None:
        """Every file of the batch has its row but these, which are removed. Raises BackupFailed."""
        try:
            self._forget([name for path in without_row for name in (path, f"{path}{TEMPORARY}")])
            if self._in_flight is not None:
                self._in_flight.end()
        except OSError as fault:
            raise BackupFailed(f"what the last run left can't be removed: {fault.strerror}") from fault

    def read(self, path: str) -> bytes:
        """The bytes of a kept mail. Raises OSError when the file is gone."""
        file = os.open(os.path.join(self._root, path), os.O_RDONLY)  # noqa: PTH118 (asked for every message)
        try:
            return _read_all(file)
        finally:
            os.close(file)

    def size(self, path: str) -> int:
        """The size of a kept mail in bytes. Raises OSError when the file is gone."""
        return os.stat(os.path.join(self._root, path)).st_size  # noqa: PTH116, PTH118 (asked for every message)

    def replace(self, path: str, content: bytes) -> Kept:
        """Keep ``content`` in the place of a kept mail, durable when this returns. Raises BackupFailed."""
        folder = PurePosixPath(path).parent
        try:
            directory = os.open(self.home / folder, os.O_RDONLY)
            try:
                _write(directory, {PurePosixPath(path).name: content})
            finally:
                os.close(directory)
        except OSError as fault:
            with contextlib.suppress(OSError):
                self._forget([f"{path}{TEMPORARY}"])
            raise BackupFailed(f"the backup {self.home / path} can't be written: {fault.strerror}") from fault
        return _kept(path, content)

    def _folder(self, folder: PurePosixPath) -> int:
        """An open descriptor of the day's folder, durable in its parent: a run that made it may have died at once."""
        path = self.home / folder
        if folder not in self._durable or not path.is_dir():
            for new in (path.parent, path):
                new.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync_folder(new.parent)
            self._durable.add(folder)
        return os.open(path, os.O_RDONLY)

    def _forget(self, written: Sequence[str]) -> None:
        for path in written:
            (self.home / path).unlink(missing_ok=True)


def _write(directory: int, named: Mapping[str, bytes]) -> None:
    """Write files under their names, all of them durable when this returns: each is synced, then named, then the folder.

    All are written before the first is synced: that sync takes the others' entries along, and theirs cost little.
    """
    with contextlib.ExitStack() as opened:
        files = []
        for name, content in named.items():
            file = os.open(f"{name}{TEMPORARY}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=directory)
            opened.callback(os.close, file)
            _write_all(file, content)
            files.append(file)
        for file in files:
            os.fsync(file)
    for name in named:
        os.rename(f"{name}{TEMPORARY}", name, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


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


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
