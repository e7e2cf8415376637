"""A folder that files are written into durably: by its descriptor, or by its path where a system has none (Windows)."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

BINARY: int = getattr(os, "O_BINARY", 0)
"""Windows would write a line's end as two bytes."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY


class Directory(Protocol):
    """An open folder; ends as a context."""

    def __init__(self, path: Path) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def create(self, name: str) -> int:
        """A descriptor of a new, empty file, for this account alone. Raises OSError."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file its name, in the place of one that has it. Raises OSError."""
        ...

    def sync(self) -> None:
        """Make the names durable. Raises OSError."""
        ...


class ByDescriptor:
    """A folder by its descriptor: looked up once, whatever is renamed above it meanwhile."""

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path, os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._folder)

    def create(self, name: str) -> int:
        """See ``Directory``."""
        return os.open(name, _NEW, 0o600, dir_fd=self._folder)

    def rename(self, old: str, new: str) -> None:
        """See ``Directory``."""
        os.rename(old, new, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def sync(self) -> None:
        """See ``Directory``."""
        os.fsync(self._folder)


class ByPath:
    """A folder by its path. Windows opens no folder, so none can be synced.

    NTFS journals the names it gives in their order; the flush of the database, which comes before a mail is deleted at its
    source, writes that journal. This is from its description: no power was cut on Windows.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def create(self, name: str) -> int:
        """See ``Directory``."""
        return os.open(self._path / name, _NEW, 0o600)

    def rename(self, old: str, new: str) -> None:
        """See ``Directory``."""
        (self._path / old).replace(self._path / new)

    def sync(self) -> None:
        """Nothing that could be asked for."""


HERE: type[Directory] = ByDescriptor if {os.open, os.rename} <= os.supports_dir_fd else ByPath
"""The way that this system can."""


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, for this account alone: ``mkdir`` gives parents any mode."""
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
