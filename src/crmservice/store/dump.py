"""A consistent copy of the whole database while it is used, and back.

SQLite: its online backup, in small steps; in WAL mode a snapshot is held meanwhile, because each write of another
process would else begin the copy anew. PostgreSQL: its own ``pg_dump`` and ``pg_restore``, which must be on PATH.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection, connections

from crmservice.errors import BadConfiguration, CrmServiceError
from crmservice.store import bulk, database
from crmservice.words import library_words

PAGES = 2000
"""Pages a step: about 8 MB, then others may work."""

SQLITE, POSTGRESQL = "crmservice.db", "crmservice.pgdump"


class DumpFailed(CrmServiceError):
    """The database could not be copied."""


def name() -> str:
    """How the copy of the database in use is called."""
    return POSTGRESQL if database.is_postgresql() else SQLITE


def place() -> Path | None:
    """The file of the database in use; None where a server holds it."""
    return None if database.is_postgresql() else Path(connection.settings_dict["NAME"])


def save(file: Path) -> None:
    """Copy the database into a new file. Raises DumpFailed, DatabaseUnavailable, or BadConfiguration without pg_dump."""
    database.refresh()
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if database.is_postgresql():
        _tool("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={file}"])
    else:
        _save_sqlite(file)
    sync(file)


def _save_sqlite(file: Path) -> None:
    # A connection of its own: holding a snapshot must not be in the way of anything else.
    try:
        with closing(_open(connection.settings_dict["NAME"])) as source, closing(_open(str(file))) as target:
            if source.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(target, pages=PAGES)
            source.rollback()
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as fault:
        raise DumpFailed(
            "the database can't be copied: {why}", permanent=False, why=library_words(str(fault))
        ) from fault


def load(file: Path) -> None:
    """Put a copy in the place of the database in use. Raises as ``save``.

    Nobody else may use it meanwhile. SQLite: the file that stood there goes; PostgreSQL: its tables go.
    """
    if (file.name == POSTGRESQL) != database.is_postgresql():
        raise BadConfiguration(
            "{file} is a copy of the other kind of database: set 'database' of crmservice.toml to that kind", file=file
        )
    if database.is_postgresql():
        _load_postgresql(file)
    else:
        _load_sqlite(file)


def _load_postgresql(file: Path) -> None:
    _tool("pg_restore", ["--list"], file, connected=False)
    # pg_restore's own --clean stumbles over tables that a newer version added.
    with database.writing():
        for table in database.tables():
            bulk.execute(f'DROP TABLE "{table}" CASCADE')
    connections["default"].close()
    _tool("pg_restore", ["--no-owner", "--no-privileges", "--single-transaction"], file)


def _load_sqlite(file: Path) -> None:
    old = Path(connection.settings_dict["NAME"])
    connections["default"].close()
    fresh = old.with_name(f"{old.name}.restoring")
    copy_durably(file, fresh)
    # A write-ahead log that stood beside the old file would be read into the new one.
    for end in ("-wal", "-shm", "-journal"):
        Path(f"{old}{end}").unlink(missing_ok=True)
    fresh.replace(old)


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file's bytes, for this account alone, synced before it returns. Raises OSError."""
    shutil.copyfile(source, target)
    target.chmod(0o600)
    sync(target)


def sync(file: Path) -> None:
    """Make a file's bytes durable. Raises OSError."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_empty() -> bool:
    """Whether the database in use holds no message, activity or account of ours: nothing would be lost."""
    database.refresh()
    with database.available():
        tables = {"crm_message", "crm_activity", "crm_account", "crm_user"}.intersection(database.tables())
        return not any(bulk.query(f"SELECT 1 FROM {table} LIMIT 1") for table in tables)  # noqa: S608 (our own names)


def _open(file: str) -> Any:
    # Autocommit: BEGIN is said by us.
    return sqlite3.connect(file, isolation_level=None, timeout=30)


def _tool(program: str, arguments: Sequence[str], file: Path | None = None, *, connected: bool = True) -> None:
    """Run a program of PostgreSQL on the database in use; the password goes by its environment, never by its arguments."""
    if (path := shutil.which(program)) is None:
        raise BadConfiguration(
            "{program} is not on PATH: install PostgreSQL's client programs (Debian: postgresql-client), of the"
            " server's version or newer",
            program=program,
        )
    known = connection.settings_dict
    where = [f"--dbname={known['NAME']}"] if connected else []
    done = subprocess.run(
        [path, *where, *arguments, *([str(file)] if file else [])],
        env={**os.environ, **_environment(known)}, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise DumpFailed("{program} failed: {why}", program=program, why=library_words(_last_line(done.stderr)))


def _environment(known: dict[str, Any]) -> dict[str, str]:
    """The variables of libpq (PostgreSQL documentation, "Environment Variables")."""
    options = {f"PG{name.upper()}": str(value) for name, value in known["OPTIONS"].items() if name in _OPTIONS}
    given = {"PGHOST": known["HOST"], "PGPORT": known["PORT"], "PGUSER": known["USER"], "PGPASSWORD": known["PASSWORD"]}
    return options | {name: value for name, value in given.items() if value}


_OPTIONS = {"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name"}


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "?"
