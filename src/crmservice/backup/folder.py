"""The local backup: POP3Downloads/yyyy-MM-dd/GUID.eml (manual 9), written so that a power cut loses nothing.

The order is TRUST.md M2: temporary file, fsync, rename, fsync of the folder. Only then may a row of the
database name the file, and only after that may the mail be deleted where it came from (SPEC chapter 3).
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from crmservice.errors import TryLater

FOLDER = "POP3Downloads"


class BackupFailed(TryLater):
    """The backup could not be written; the mail stays where it is. Look at the disk's space and health."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the backup: its path below the home (with ``/``), SHA-256 in hex, and size in bytes."""

    path: str
    sha256: str
    size: int


class BackupFolder:
    """Keeps raw mail below a home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._root = str(home)

    def keep(self, mails: Sequence[bytes], day: date) -> list[Kept]:
        """Write mails under the day's folder, all of them durable when this returns.

        Raises BackupFailed when the disk refuses; what was written by then is never named by a row and is
        removed. A failed fsync is never tried again on the same file: the kernel may have dropped the page.
        """
        folder = PurePosixPath(FOLDER, day.isoformat())
        written: list[str] = []
        try:
            directory = self._folder(folder)
            try:
                kept = [self._write(directory, folder, mail, written) for mail in mails]
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as fault:
            self._forget(written)
            raise BackupFailed(f"the backup {self.home / folder} can't be written: {fault.strerror}") from fault
        return kept

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
                kept = self._write(directory, folder, content, [], PurePosixPath(path).name)
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as fault:
            raise BackupFailed(f"the backup {self.home / path} can't be written: {fault.strerror}") from fault
        return kept

    def _write(
        self, directory: int, folder: PurePosixPath, mail: bytes, written: list[str], name: str = ""
    ) -> Kept:
        name = name or f"{uuid.uuid4()}.eml"
        temporary = f"{name}.tmp"
        written.append(str(folder / temporary))
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
        try:
            _write_all(file, mail)
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        written[-1] = str(folder / name)
        return Kept(written[-1], hashlib.sha256(mail).hexdigest(), len(mail))

    def _folder(self, folder: PurePosixPath) -> int:
        """An open descriptor of the day's folder, made durable in its parent when it is new."""
        path = self.home / folder
        if not path.is_dir():
            for new in (path.parent, path):
                new.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync_folder(new.parent)
        return os.open(path, os.O_RDONLY)

    def _forget(self, written: Sequence[str]) -> None:
        for path in written:
            (self.home / path).unlink(missing_ok=True)


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
