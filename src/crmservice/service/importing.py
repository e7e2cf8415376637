"""``crmservice import DIR`` as a source: every .eml file below a folder, copied; the files stay where they are.

The source id is the name relative to the folder, so an import that was cut short goes on where it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from crmservice.errors import BadConfiguration
from crmservice.sources import BATCH, Fetched, Known, header_of


class ImportFolder:
    """A folder of mail to copy from. ``total`` is the number of its .eml files."""

    name = "import"
    remote = False

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            msg = f"{folder} is no folder: name the one that holds the .eml files"
            raise BadConfiguration(msg)
        self.folder = folder
        self.faults: list[str] = []
        self._names = sorted(_names(folder))
        self._next = 0

    @property
    def total(self) -> int:
        """How many files there are."""
        return len(self._names)

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        """The next files in the order of their names; one that can't be read is named in ``faults``."""
        given = 0
        while self._next < len(self._names) and given < batch:
            name = self._names[self._next]
            self._next += 1
            if known(name):
                continue
            mail = self._read(name, limit_bytes)
            if mail is not None:
                given += 1
                yield mail

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 (the protocol's)
        """Nothing: an import deletes nothing, and is recognised when it is run again."""
        return []

    def close(self) -> None:
        """Begin anew."""
        self._next = 0

    def _read(self, name: str, limit_bytes: int) -> Fetched | None:
        try:
            with (self.folder / name).open("rb") as file:
                data = file.read(limit_bytes + 1)
                size = os.fstat(file.fileno()).st_size
        except OSError as fault:
            self.faults.append(f"{name}: {fault.strerror}")
            return None
        if len(data) > limit_bytes:
            return Fetched(name, header_of(data), oversize=True, size=size)
        return Fetched(name, data, size=len(data))


def _names(folder: Path) -> Iterator[str]:
    for place, _folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        for name in files:
            if name.lower().endswith(".eml"):
                yield name if inside == "." else str(Path(inside, name))
