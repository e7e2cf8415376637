"""A log file that several processes append to and that is put aside when it is full (``.1`` is the youngest)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PRIVATE = ".crmservice"
MOST_WAITING = 1024 * 1024
"""Bytes of lines that wait for a disk with room; beyond them the oldest go."""


class RotatingFile:
    """Appends lines. ``limit_bytes``: how large a file may grow; ``kept``: how many full ones stay.

    Mail does not wait for its log: lines that the disk refuses are written before the next ones. The file is opened
    anew for each write, so a file that another process put aside is never written to again.
    """

    def __init__(self, path: Path, limit_bytes: int, kept: int) -> None:
        self.path, self._limit, self._kept = path, limit_bytes, kept
        self._waiting = b""

    def append(self, lines: bytes) -> None:
        """Write these lines, each with its end. Never raises."""
        self._waiting += lines
        with contextlib.suppress(OSError):
            self._write()
        if len(self._waiting) > MOST_WAITING:
            self._waiting = self._waiting[-MOST_WAITING:].partition(b"\n")[2]

    def _write(self) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(file).st_size > self._limit:
                self._rotate()
                os.close(file)
                file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            while self._waiting:
                self._waiting = self._waiting[os.write(file, self._waiting) :]
        finally:
            os.close(file)

    def _rotate(self) -> None:
        from crmservice.store import locks

        lock = locks.take(self.path.parent / PRIVATE / f"{self.path.name}.lock")
        if lock is None:  # another process is at it
            return
        try:
            if self.path.stat().st_size > self._limit:
                for number in range(self._kept - 1, 0, -1):
                    with contextlib.suppress(FileNotFoundError):
                        self._aside(number).replace(self._aside(number + 1))
                self.path.replace(self._aside(1))
        finally:
            os.close(lock)

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
