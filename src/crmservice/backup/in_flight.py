"""Which files of the backup no row names yet: what a killed run leaves half done can be told from what is kept.

A file is renamed into the backup before its row is committed (SPEC chapter 3), so a death in between leaves a
file that no message has, or a temporary one. The mail itself is still at its source, and comes again. To look for
such files by "no row names it" would be wrong: after an older database was restored, they would be the last copy.
So the names of each batch are written down first, one note for each box, and only those are ever removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from crmservice.backup import BackupFailed
from crmservice.backup.directory import BINARY
from crmservice.words import system_words

PRIVATE = ".crmservice"

_LINE = re.compile(r"POP3Downloads/[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9a-f-]{36}\.eml\n")


class InFlight:
    """The note of one box; who works on the box (its lease) owns the note."""

    def __init__(self, home: Path, box: str) -> None:
        self._file = home / PRIVATE / f"{quote(box, safe=' ')}.arriving"

    def begin(self, paths: Sequence[str]) -> None:
        """Note durably that these files (below the home) are about to be written. Raises OSError."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o600)
        try:
            os.write(file, "".join(f"{path}\n" for path in paths).encode())
            os.fsync(file)
        finally:
            os.close(file)

    def end(self) -> None:
        """Nothing is being written. Raises OSError."""
        if self._file.exists():
            os.truncate(self._file, 0)

    def left(self) -> list[str]:
        """The files that were noted when the last run ended without a word; a torn line names none."""
        try:
            lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return [line.rstrip("\n") for line in lines if _LINE.fullmatch(line)]


def left_by(note: InFlight | None) -> list[str]:
    """What a note left, for every home of raw mail; nothing where no note is kept. Raises BackupFailed."""
    try:
        return note.left() if note is not None else []
    except OSError as fault:
        raise BackupFailed("what the last run left can't be read: {why}", why=system_words(fault)) from fault


def arriving(home: Path) -> set[str]:
    """What the notes of all boxes name at this moment: mail on its way. Raises OSError."""
    folder = home / PRIVATE
    notes = (InFlight(home, unquote(file.stem)) for file in folder.glob("*.arriving")) if folder.is_dir() else ()
    return {path for note in notes for path in note.left()}
