"""``crmservice import DIR`` as a source: every .eml file below a folder, copied; the files stay where they are.

The source id is the name relative to the folder, so an import that was cut short goes on where it stopped.
Links to files are followed, links to folders are not (they may lead in circles).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from crmservice.errors import BadConfiguration
from crmservice.sources import BATCH, Fetched, Known, header_of
from crmservice.words import Words, joined, system_words


class ImportFolder:
    """A folder of mail to copy from. ``total`` is the number of its .eml files."""

    name = "import"
    remote = False

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BadConfiguration("{folder} is no folder: name the one that holds the .eml files", folder=folder)
        self.folder = folder
        self.faults: list[Words] = []
        self._names = sorted(self._found())
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
            if known(_id_of(name)):
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
        path = self.folder / name
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for ever
                self._fault(name, Words("is no regular file"))
                return None
            with path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                # No more than there is: a read takes the memory that it is allowed, not what it finds.
                data = file.read(min(size, limit_bytes) + 1)
        except OSError as fault:
            self._fault(name, system_words(fault))
            return None
        if len(data) > limit_bytes:
            return Fetched(_id_of(name), header_of(data), oversize=True, size=size)
        if len(data) != size:
            self._fault(name, Words("changes while it is read"))
            return None
        return Fetched(_id_of(name), data, size=len(data))

    def _found(self) -> Iterator[str]:
        for place, _folders, files in os.walk(self.folder, onerror=self._closed):
            inside = os.path.relpath(place, self.folder)
            for name in files:
                if name.lower().endswith(".eml"):
                    yield name if inside == "." else str(Path(inside, name))

    def _closed(self, fault: OSError) -> None:
        """A folder that can't be read may hold mail: it is named as a file would be."""
        self._fault(os.path.relpath(fault.filename, self.folder), system_words(fault))

    def _fault(self, name: str, why: Words) -> None:
        self.faults.append(joined(": ", (_id_of(name), why)))


def _id_of(name: str) -> str:
    """The name with ``/``, as text that any database takes: bytes that are no UTF-8 are escaped."""
    return os.fsencode(PurePath(name).as_posix()).decode("utf-8", "backslashreplace")
