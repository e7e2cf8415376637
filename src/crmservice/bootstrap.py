"""The first thing every entry does: the newer SQLite goes in place before Django is imported.

The interpreter's own SQLite may have the WAL-reset fault: two connections and a checkpoint that races a
commit can damage the file (fixed in SQLite 3.51.3, with backports in 3.44.6 and 3.50.7; see sqlite.org/wal.html).
Where the ``pysqlite3`` wheel is installed it takes the place of ``sqlite3``; elsewhere the store asks
``sqlite_is_sound`` and does without WAL.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import Literal

from crmservice.errors import CrmServiceError

SETTINGS_MODULE = "crmservice.settings"
_DJANGO_BACKEND = "django.db.backends.sqlite3.base"
_SOUND_FROM = (3, 51, 3)
# Release lines that got the repair as a backport: from this patch on.
_BACKPORTS = {(3, 44): 6, (3, 50): 7}

Version = tuple[int, int, int]


class BootstrappedTooLate(CrmServiceError):
    """Django's SQLite backend was imported before ``bootstrap.prepare()``: call it first in this entry."""


@dataclass(frozen=True, slots=True)
class Sqlite:
    """The SQLite in use: the library's version, which module brought it, and whether WAL is allowed."""

    version: Version
    origin: Literal["pysqlite3", "sqlite3"]

    @property
    def wal_allowed(self) -> bool:
        """True where several connections may share a database in WAL mode without risk to the file."""
        return is_sound(self.version)


def prepare() -> Sqlite:
    """Put the newer SQLite in place and name Django's settings; may be called any number of times.

    Raises BootstrappedTooLate if Django has taken hold of the older SQLite already.
    """
    _put_newer_sqlite_in_place()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)
    return sqlite_in_use()


def sqlite_in_use() -> Sqlite:
    """Which SQLite ``import sqlite3`` gives at this moment."""
    import sqlite3

    origin: Literal["pysqlite3", "sqlite3"] = "pysqlite3" if sqlite3.__name__.startswith("pysqlite3") else "sqlite3"
    major, minor, patch = sqlite3.sqlite_version_info
    return Sqlite((major, minor, patch), origin)


def sqlite_is_sound() -> bool:
    """True if the SQLite in use is free of the WAL-reset fault, so that the store may choose WAL."""
    return sqlite_in_use().wal_allowed


def is_sound(version: Version) -> bool:
    """True for a version with the repair of the WAL-reset fault: 3.51.3 and later, or a backport of it."""
    repaired_at = _BACKPORTS.get(version[:2])
    return version >= _SOUND_FROM or (repaired_at is not None and version[2] >= repaired_at)


def _put_newer_sqlite_in_place() -> None:
    if "sqlite3" in sys.modules and sqlite_in_use().origin == "pysqlite3":
        return
    try:
        newer = importlib.import_module("pysqlite3")
    except ImportError:  # no wheel for this system (Windows, macOS): the interpreter's own serves
        return
    if _DJANGO_BACKEND in sys.modules:
        raise BootstrappedTooLate
    sys.modules["sqlite3"] = newer
    sys.modules["sqlite3.dbapi2"] = importlib.import_module("pysqlite3.dbapi2")
