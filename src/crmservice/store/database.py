"""Which database, and its schema: ``connect`` once in a process, then ``migrate`` (cheap when nothing is due)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.apps import apps
from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
    connections,
    transaction,
)

from crmservice import bootstrap
from crmservice.errors import BadConfiguration, CrmServiceError, TryLater
from crmservice.store import locks
from crmservice.words import Words, joined, library_words

FILE = "crmservice.db"
PRIVATE = ".crmservice"
"""The folder below the home that holds locks."""

_BUSY_S = 30
_IDLE_ENDED = "25P03"
_IDLE_S = 30
"""PostgreSQL ends a transaction in which nothing was said for so long: its process was paused, and others wait for its locks."""
_CACHE_KB = 16_000
_MIGRATE_WAIT_S = 120.0
_MIGRATE_LOCK = 0x43524D01
_APPLY_LOCK = 0x43524D02
AUDIT_LOCK = 0x43524D03
MIGRATE_LOCK_FILE = "migrate.lock"


class DatabaseUnavailable(TryLater):
    """The database can't be reached, or is busy, or its disk is full: the same call may work later."""

    notice = "database"
    """The kind of notice it is worth."""


class DatabaseDamaged(BadConfiguration):
    """The database's file is damaged or no database: restore a backup."""


class DatabaseNewer(BadConfiguration):
    """The database knows migrations that this program does not have."""


class _Place:
    """The home that this process is connected to."""

    home: Path | None = None


def connect(home: Path, url: str = "") -> None:
    """Tell Django where the tables are: ``crmservice.db`` in the home, or the database of ``url``.

    ``url``: ``postgresql://user:password@host:port/name`` (a socket's folder as ``?host=/path``) or
    ``sqlite:////absolute/path``. Opens nothing yet. Raises BadConfiguration for another kind of URL.
    """
    database = _database(Path(home), url)
    settings.DATABASES = {"default": database}
    # Django made one for no database while it set itself up; a process may also change its home (tests, restore).
    connections["default"].close()
    del connections["default"]
    connections.databases.update(connections.configure_settings({"default": dict(database)}))
    _Place.home = Path(home)


def home() -> Path:
    """The home that ``connect`` was called with. Raises CrmServiceError before that."""
    if _Place.home is None:
        raise CrmServiceError("the store is not connected: call store.database.connect first")
    return _Place.home


def is_postgresql() -> bool:
    """Whether the tables are on a PostgreSQL server."""
    return bool(connection.vendor == "postgresql")


def tables() -> list[str]:
    """Our tables that are there, Django's own list of migrations among them."""
    return [name for name in connection.introspection.table_names() if name.startswith(("crm_", "django_"))]


def _database(home: Path, url: str) -> dict[str, Any]:
    if url.startswith(("postgresql://", "postgres://")):
        return _postgresql(url)
    if url and not url.startswith("sqlite:///"):
        raise BadConfiguration("database: the URL must begin with postgresql:// or sqlite:///")
    return _sqlite(Path(unquote(url.removeprefix("sqlite:///"))) if url else home / FILE)


def _sqlite(file: Path) -> dict[str, Any]:
    # A commit that lets a mail be deleted on its server must survive a power cut (SPEC chapter 3).
    durable = "WAL; PRAGMA synchronous = FULL" if bootstrap.sqlite_is_sound() else "DELETE; PRAGMA synchronous = EXTRA"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "CONN_MAX_AGE": None,  # the last connection's end would checkpoint, at every batch
        "OPTIONS": {
            "timeout": _BUSY_S,
            "transaction_mode": "IMMEDIATE",
            "init_command": f"PRAGMA journal_mode = {durable}; PRAGMA cache_size = -{_CACHE_KB}",
        },
    }


def _postgresql(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadConfiguration("database: the URL can't be read ({kind})", kind=type(error).__name__) from None
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    # The one that was given wins: the later of two.
    given = f"-c idle_in_transaction_session_timeout={_IDLE_S * 1000} {options.pop('options', '')}".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "crmservice",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10, "options": given, **options},
    }


def disconnect() -> None:
    """Close this thread's connections, as a thread that ends must; the next use opens a new one."""
    connections.close_all()


def refresh() -> None:
    """Drop this thread's connection if it broke, so that the next use opens a new one. Cheap."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


@contextmanager
def writing(*, serialised: bool = False) -> Iterator[None]:
    """One durable transaction that holds the right to write from its start on (``BEGIN IMMEDIATE``).

    ``serialised``: on PostgreSQL too, one such transaction at a time (an advisory lock of the transaction).
    Raises DatabaseUnavailable where the database is busy, away or full.
    """
    refresh()
    with available(), transaction.atomic():
        if serialised:
            one_at_a_time(_APPLY_LOCK)
        yield


def one_at_a_time(lock: int) -> None:
    """Wait on PostgreSQL until no other transaction holds this advisory lock; to the end of the transaction.

    On SQLite each transaction that writes is alone.
    """
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])


@contextmanager
def reading() -> Iterator[None]:
    """Around queries: on a connection that works. Raises DatabaseUnavailable where the database is away."""
    refresh()
    with available():
        yield


_MAY_WRITE = Words("see that the home folder is there and that the service may write to it and to its files")
_ADVICE = {
    "unable to open database file": _MAY_WRITE,
    "attempt to write a readonly database": _MAY_WRITE,
    "database is locked": Words("another program holds crmservice.db; it is tried again"),
}


@contextmanager
def available() -> Iterator[None]:
    """Turn what the driver says of a database that is away, busy or full into DatabaseUnavailable."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        if (fault := fault_of(error)) is None:
            raise
        raise fault from error


def fault_of(error: Exception) -> DatabaseUnavailable | DatabaseDamaged | None:
    """What an exception says of the database: it is away, busy, full or damaged; None: a fault of the program's own."""
    if isinstance(error, (OperationalError, InterfaceError, InternalError)):
        if isinstance(error, InternalError) and getattr(error.__cause__, "sqlstate", "") != _IDLE_ENDED:
            return None
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        why = library_words(str(error).strip() or type(error).__name__)
        if advice := _ADVICE.get(str(error).strip()):
            why = joined("; ", (why, advice))
        return DatabaseUnavailable("the database is not available: {why}", why=why)
    if type(error) is not DatabaseError or is_postgresql():
        return None
    file, why = connection.settings_dict["NAME"], library_words(str(error))
    return DatabaseDamaged("{file} is damaged ({why}): move it away and restore the last backup", file=file, why=why)


def migrate() -> bool:
    """Bring the schema up to date; returns whether anything was to be done.

    When all is applied this is one query. Two processes that begin at once wait for each other.
    Raises DatabaseUnavailable, or DatabaseNewer where the database knows migrations that we don't.
    """
    with available():
        if _up_to_date():
            return False
        with _migrating():
            if _up_to_date():
                return False
            _run_migrations()
    return True


def _up_to_date() -> bool:
    known, applied = _known_migrations(), _applied_migrations()
    newer = sorted(name for app, name in applied - known if app in {app for app, _ in known})
    if newer:
        raise DatabaseNewer(
            "the database was made by a newer CRMService (it has {newer}): update the program, or restore an older backup",
            newer=", ".join(newer),
        )
    return known <= applied


def _known_migrations() -> set[tuple[str, str]]:
    folders = ((config.label, Path(config.path) / "migrations") for config in apps.get_app_configs())
    return {
        (label, file.stem)
        for label, folder in folders
        if folder.is_dir()
        for file in folder.iterdir()
        if file.suffix == ".py" and file.name[0].isdigit()
    }


def _applied_migrations() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT app, name FROM django_migrations")
        except DatabaseError as error:
            if connection.vendor == "sqlite" and "no such table" not in str(error):
                raise
            if connection.vendor == "postgresql" and getattr(error.__cause__, "sqlstate", "") != "42P01":
                raise
            return set()
        return {(str(app), str(name)) for app, name in cursor.fetchall()}


@contextmanager
def _migrating() -> Iterator[None]:
    if not is_postgresql():
        with locks.held(home() / PRIVATE / MIGRATE_LOCK_FILE, _MIGRATE_WAIT_S):
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATE_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATE_LOCK])


def _run_migrations() -> None:
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
