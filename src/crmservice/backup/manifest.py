"""What a backup holds, with checksums: written last, so that a backup without it is none."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Self

from crmservice.errors import CrmServiceError

NAME = "manifest.json"
FORMAT = 1
BLOCK = 1024 * 1024


class BadBackup(CrmServiceError):
    """The backup can't be used as it stands."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the backup: its path below it (with ``/``), size in bytes, SHA-256 in hex, and its last change (seconds)."""

    path: str
    size: int
    sha256: str
    changed: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """``made``: aware and UTC; ``version``: of the program; ``database``: path of the copy below the backup.

    ``messages``: rows of the inbox that it holds. The mails themselves lie beside all backups and are held against the
    rows' checksums, so they are not listed again.
    """

    made: datetime
    version: str
    database: str
    messages: int
    files: tuple[File, ...]

    def write(self, folder: Path) -> None:
        """Write it into the backup's folder, durably. Raises OSError."""
        content = {"format": FORMAT, **asdict(self), "made": self.made.isoformat()}
        text = json.dumps({"content": content, "sha256": _digest(content)}, ensure_ascii=False, indent=1)
        descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of a backup's folder. Raises BadBackup where it is missing, damaged, or of a newer program."""
        try:
            whole = json.loads((folder / NAME).read_text("utf-8"))
            content = whole["content"]
            sound = _digest(content) == whole["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            raise BadBackup("{folder} is no backup: it has no manifest that can be read", folder=folder) from None
        if not sound:
            raise BadBackup("{folder}: the manifest was damaged", folder=folder)
        if content.pop("format") != FORMAT:
            raise BadBackup("{folder} was made by a newer CRMService: update the program", folder=folder)
        files = tuple(File(**file) for file in content.pop("files"))
        return cls(made=datetime.fromisoformat(content.pop("made")), files=files, **content)

    def check(self, folder: Path) -> None:
        """Hold every file against its size and checksum. Raises BadBackup that names the first one that differs."""
        for file in self.files:
            try:
                sound = file == described(folder, file.path, file.changed)
            except OSError:
                raise BadBackup("{folder}: {file} is missing or can't be read", folder=folder, file=file.path) from None
            if not sound:
                raise BadBackup("{folder}: {file} was damaged: its checksum is another", folder=folder, file=file.path)


def described(folder: Path, path: str, changed: float | None = None) -> File:
    """A file as a manifest names it; ``changed`` instead of what the system says. Raises OSError."""
    total = hashlib.sha256()
    place = folder / PurePosixPath(path)
    with place.open("rb") as stream:
        facts = os.fstat(stream.fileno())
        while block := stream.read(BLOCK):
            total.update(block)
    return File(path, facts.st_size, total.hexdigest(), facts.st_mtime if changed is None else changed)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
