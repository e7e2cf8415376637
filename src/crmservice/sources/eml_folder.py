"""emlDir: a folder of ``.eml`` files to import (manual chapter 6; TRUST B37)."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from crmservice.sources import BATCH, MAX_HEADER_BYTES, Fetched, Known, SourceError, header_of
from crmservice.words import Words, joined, system_words

LOOK_AGAIN_SECONDS = 0.2

UNSETTLED_SECONDS = 60.0
"""So long a file that ends in zeros may still be on its way."""

_STILL_WRITTEN = Words("is still being written; it is read in the next cycle")
# Neither a link nor a FIFO can hold the service up or lead it elsewhere; Windows has neither flag.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class _Look(NamedTuple):
    """What must stay the same from look to look, and until the deletion."""

    device: int
    inode: int
    size: int
    modified_ns: int


def _look(status: os.stat_result) -> _Look:
    return _Look(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class EmlFolder:
    """The regular ``*.eml`` files of one folder, any case, in the order of their names; no subfolders."""

    name = "emlDir"
    remote = False

    def __init__(self, folder: Path, sleep: Callable[[float], object] = time.sleep) -> None:
        self.folder = folder
        self.faults: list[Words] = []
        self._sleep = sleep
        self._queue: list[tuple[str, _Look]] = []
        self._offered: set[str] = set()
        self._read: dict[str, tuple[str, _Look]] = {}

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        """Messages of the folder; see Source. The source id is the file's name."""
        self.faults = []
        if not self._queue:
            self._queue = self._settled()
        given = 0
        while self._queue and given < batch:
            name, look = self._queue.pop(0)
            source_id = _id_of(name)
            self._offered.add(source_id)
            found = None if known(source_id) else self._take(name, look, limit_bytes)
            if found is not None:
                self._read[source_id] = (name, look)
                given += 1
                yield found

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        """Delete these files if they are still those that were read."""
        return [source_id for source_id in source_ids if self._delete(source_id)]

    def close(self) -> None:
        """Forget the folder's state."""
        self._queue.clear()
        self._offered.clear()
        self._read.clear()

    def probe(self) -> None:
        """Look whether the folder can be read and written in. Raises SourceError."""
        self._files()
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise SourceError(
                "the service may not delete in the import folder {folder}; give it write access",
                permanent=True,
                folder=self.folder,
            )

    def present(self) -> Collection[str]:
        """The names of the files that lie in the folder. Raises SourceError."""
        self.close()
        return {_id_of(name) for name in self._files()}

    def _settled(self) -> list[tuple[str, _Look]]:
        """The files that stayed as they were for 200 ms; one wait for the whole folder."""
        first = self._files()
        if not first:
            return []
        self._sleep(LOOK_AGAIN_SECONDS)
        self.faults = []
        second = self._files()
        for name in second:
            if first.get(name, second[name]) != second[name]:
                self._fault(name, _STILL_WRITTEN)
        return [(name, look) for name, look in sorted(second.items()) if first.get(name) == look]

    def _files(self) -> dict[str, _Look]:
        try:
            with os.scandir(self.folder) as entries:
                found = [entry for entry in entries if entry.name.lower().endswith(".eml")]
        except OSError as error:
            raise SourceError(
                "the import folder {folder} can't be read ({why}); make it, or correct emlDir",
                permanent=True,
                folder=self.folder,
                why=system_words(error),
            ) from None
        files = {}
        for entry in found:
            look = self._status(entry.name)
            if look is not None and _id_of(entry.name) not in self._offered:
                files[entry.name] = look
        return files

    def _status(self, name: str) -> _Look | None:
        try:
            status = (self.folder / name).lstat()
        except OSError:
            return None  # gone since it was listed
        if not stat.S_ISREG(status.st_mode):
            self._fault(name, Words("is no regular file and is left alone"))
            return None
        if status.st_size == 0:
            self._fault(name, Words("is empty and is left alone"))
            return None
        return _look(status)

    def _take(self, name: str, look: _Look, limit_bytes: int) -> Fetched | None:
        try:
            with os.fdopen(os.open(self.folder / name, _FLAGS), "rb") as stream:
                if _written_to(stream.fileno()):
                    self._fault(name, _STILL_WRITTEN)
                    return None
                return self._read_stream(stream, name, look, limit_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            why = system_words(error)
            self._fault(name, Words("can't be read ({why}); check its owner and mode", why=why))
            return None

    def _read_stream(self, stream: BufferedReader, name: str, look: _Look, limit_bytes: int) -> Fetched | None:
        """The file if it is still the one that was looked at, and whole."""
        oversize = look.size > limit_bytes
        if _look(os.fstat(stream.fileno())) != look:
            return None
        data = stream.read(MAX_HEADER_BYTES if oversize else look.size + 1)
        if _look(os.fstat(stream.fileno())) != look:
            return None
        # Over a network a copy may have its full size before its bytes: the rest of it is zeros then.
        if not oversize and data.endswith(b"\0") and abs(time.time() - look.modified_ns / 1e9) < UNSETTLED_SECONDS:
            self._fault(name, _STILL_WRITTEN)
            return None
        return Fetched(_id_of(name), header_of(data) if oversize else data, oversize, look.size)

    def _delete(self, source_id: str) -> bool:
        name, look = self._read.get(source_id, ("", None))
        try:
            if look is None or not self._unlinked(name, look):
                self._fault(source_id, Words("has changed since it was read and is left alone"))
                return False
        except FileNotFoundError:
            return True
        except OSError as error:
            why = system_words(error)
            self._fault(source_id, Words("can't be deleted ({why}); the service needs to write in the folder", why=why))
            return False
        return True

    def _unlinked(self, name: str, look: _Look) -> bool:
        """Delete the file if it is still the one that was read. Raises OSError.

        Both by the folder's descriptor where the system knows that: a folder put in its place meanwhile is not ours.
        """
        if os.unlink not in os.supports_dir_fd:
            return _remove_same(self.folder / name, look, None)
        folder = os.open(self.folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            return _remove_same(Path(name), look, folder)
        finally:
            os.close(folder)

    def _fault(self, name: str, message: Words) -> None:
        self.faults.append(joined(": ", (_id_of(name), message)))


def _written_to(descriptor: int) -> bool:
    """Whether somebody has the file open for writing, as far as Linux tells: a copy that makes a pause looks whole.

    It grants a lease on what nobody writes to (fcntl(2), F_SETLEASE), to the file's owner and to root, on local file
    systems. It ends with the descriptor; the signal for who opens the file meanwhile is one that nobody heeds.
    """
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _remove_same(path: Path, look: _Look, folder: int | None) -> bool:
    if _look(os.stat(path, dir_fd=folder, follow_symlinks=False)) != look:
        return False
    os.unlink(path, dir_fd=folder)
    return True


def _id_of(name: str) -> str:
    """The name as text that any database takes: bytes that are no UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
