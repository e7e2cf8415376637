"""Each test of the store runs on SQLite and on PostgreSQL, with tables that are empty."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.db import connection, connections, transaction

from crmservice.pipeline.gateway import Waiting
from crmservice.store import database, inbox, models, tables
from crmservice.testing.builders import COMPANY
from tests.support import postgres

BOTH = [pytest.param("sqlite", id="sqlite"), pytest.param("postgresql", id="postgresql", marks=pytest.mark.server)]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a database on a server of our own, with the schema in place."""
    pytest.importorskip("psycopg")
    with postgres.postgres() as folder:
        database.connect(Path(folder), postgres.url(folder, "postgres"))
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE crm")
        database.connect(Path(folder), postgres.url(folder, "crm"))
        database.migrate()
        yield postgres.url(folder, "crm")
        connections.close_all()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A SQLite file with the schema and nothing in it."""
    home = tmp_path_factory.mktemp("schema")
    database.connect(home)
    database.migrate()
    connections.close_all()
    with_wal = [path.name for path in home.iterdir() if path.name.startswith("crmservice.db-")]
    assert with_wal == []
    return (home / database.FILE).read_bytes()


@pytest.fixture(params=BOTH)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A home folder, connected to an empty store."""
    if request.param == "sqlite":
        (tmp_path / database.FILE).write_bytes(request.getfixturevalue("empty_sqlite"))
        database.connect(tmp_path)
    else:
        database.connect(tmp_path, request.getfixturevalue("server"))
    yield tmp_path
    if request.param == "postgresql":
        _truncate()
    connections.close_all()


def _truncate() -> None:
    tables = ", ".join(f'"{model._meta.db_table}"' for model in models.Role._meta.apps.get_models())
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")


def arrival(n: int, **facts: object) -> inbox.New:
    """A message that arrived."""
    start: dict[str, object] = {
        "box": "crm", "source": "eml", "source_id": f"{n:04}.eml", "sha256": f"{n:064x}", "size": 100 + n,
        "path": f"POP3Downloads/2026-03-02/{n}.eml", "arrived": datetime(2026, 3, 2, 11, 30, n % 60, n, UTC),
        "day": date(2026, 3, 2),
    }  # fmt: skip
    return inbox.New(**(start | facts))  # type: ignore[arg-type]


@pytest.fixture
def row(home: Path) -> Callable[[], Waiting]:
    """Makes a row of the inbox that waits."""
    count = itertools.count()

    def make() -> Waiting:
        new = arrival(next(count))
        (key,) = inbox.accept([new])
        return Waiting(key, new.box, new.path, new.sha256, new.arrived)

    return make


@pytest.fixture
def django_queries(home: Path) -> Iterator[Callable[[], int]]:
    """How many statements this connection ran so far."""
    count = itertools.count()
    ran = [0]

    def counting(execute: Callable[..., object], *arguments: object) -> object:
        ran[0] = next(count) + 1
        return execute(*arguments)

    with connection.execute_wrapper(counting):
        yield lambda: ran[0]


@pytest.fixture(params=BOTH)
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Makes the store one that holds COMPANY and no mail, as often as it is called: for hypothesis."""
    sqlite = request.param == "sqlite"
    database.connect(tmp_path, "" if sqlite else request.getfixturevalue("server"))
    if sqlite:
        (tmp_path / database.FILE).write_bytes(request.getfixturevalue("empty_sqlite"))
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous = OFF")  # hundreds of transactions, and no power cut is tried here

    def empty() -> None:
        _delete()
        tables.load(COMPANY)

    yield empty
    _delete()
    connections.close_all()


def _delete() -> None:
    """What TRUNCATE does, much faster for a few rows: in one transaction, so that the order means nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        for model in models.Role._meta.apps.get_models():
            cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
