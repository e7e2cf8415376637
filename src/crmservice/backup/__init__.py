"""Where raw mail is kept: every byte of every message, under a name that nobody outside chose.

One small protocol, ``RawMail``, with two homes: the local folder (``folder``) and an object store (``objects``). A path is
``POP3Downloads/yyyy-MM-dd/GUID.eml`` in both, so a row of the database finds its mail wherever that was moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from crmservice.errors import TryLater

FOLDER = "POP3Downloads"


class BackupFailed(TryLater):
    """The backup could not be written; the mail stays where it is. Look at the disk's space and health."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail of the backup: its path (with ``/``), SHA-256 in hex, and size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """A mail that lies in the backup: its path, size in bytes, and when it was written (aware, UTC)."""

    path: str
    size: int
    written: datetime


class RawMail(Protocol):
    """Keeps raw mail. What is read raises OSError where a mail is gone, and TryLater where its home is away."""

    def keep(self, mails: Sequence[bytes], day: date) -> list[Kept]:
        """Keep mails under the day, all of them durable when this returns. Raises BackupFailed: none is promised then."""
        ...

    def put(self, mails: Mapping[str, bytes]) -> list[Kept]:
        """Keep mails under the paths that they had before (a restore), durable when this returns. Raises BackupFailed."""
        ...

    def unsettled(self) -> list[str]:
        """Paths that may have no row: their batch was cut short after it was noted. Raises BackupFailed."""
        ...

    def settle(self, without_row: Sequence[str] = ()) -> None:
        """Every mail of the batch has its row but these, which are removed. Raises BackupFailed."""
        ...

    def read(self, path: str) -> bytes:
        """The bytes of a kept mail."""
        ...

    def size(self, path: str) -> int:
        """Its size in bytes."""
        ...

    def checksum(self, path: str) -> str:
        """Its SHA-256 in hex, read piece by piece."""
        ...

    def replace(self, path: str, content: bytes) -> Kept:
        """Keep ``content`` in the place of a kept mail, durable when this returns. Raises BackupFailed."""
        ...

    def remove(self, paths: Sequence[str]) -> None:
        """Remove mails for good, durable when this returns; one that is gone is none the less. Raises BackupFailed."""
        ...

    def days(self) -> list[str]:
        """The folders that hold mail, ``yyyy-MM-dd``, in order."""
        ...

    def files(self, day: str) -> Iterator[Found]:
        """The mails of one of these folders, in no order."""
        ...
