"""Which database, how durable, and a schema that is brought up to date once."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InternalError, OperationalError, connection, connections

from crmservice import bootstrap
from crmservice.errors import BadConfiguration, CrmServiceError
from crmservice.store import bulk, counts, database, inbox, lease, metrics, people
from tests.store.conftest import arrival
from tests.support import postgres

ONLY_SQLITE = pytest.mark.parametrize("home", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize("home", [pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    connections.close_all()


@ONLY_SQLITE
def test_sqlite_keeps_a_commit_through_a_power_cut(home: Path) -> None:
    pragma = {name: bulk.query(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")}
    durable = ("wal", 2) if bootstrap.sqlite_is_sound() else ("delete", 3)
    assert (pragma["journal_mode"], pragma["synchronous"]) == durable
    assert pragma["foreign_keys"] == 1


@ONLY_SQLITE
def test_an_unsound_sqlite_does_without_wal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "sqlite_is_sound", lambda: False)
    connections.close_all()
    database.connect(home)
    assert bulk.query("PRAGMA journal_mode") == [("delete",)]
    assert bulk.query("PRAGMA synchronous") == [(3,)]


@ONLY_SQLITE
def test_a_writer_holds_the_right_to_write_from_its_start(home: Path) -> None:
    database.connect(home)
    connection.settings_dict["OPTIONS"]["timeout"] = 0.05
    with database.writing():
        pass
    with _writer(home) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holding\n"
        with pytest.raises(database.DatabaseUnavailable, match="locked") as busy:
            inbox.accept([arrival(1)])
        other.communicate("done")
    assert not busy.value.permanent
    inbox.accept([arrival(1)])


def _writer(home: Path) -> subprocess.Popen[str]:
    """Another process that holds the right to write until it is told."""
    program = """
        import sys
        from pathlib import Path
        from crmservice.store import database
        database.connect(Path(sys.argv[1]))
        with database.writing():
            print("holding", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(home)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_an_up_to_date_schema_is_left_alone_with_one_query(home: Path, django_queries: Any) -> None:
    before = django_queries()
    assert not database.migrate()
    assert django_queries() == before + 1


def test_two_first_runs_at_once_make_one_schema(tmp_path: Path) -> None:
    program = """
        import sys
        from pathlib import Path
        from crmservice.store import database
        database.connect(Path(sys.argv[1]))
        print(database.migrate())
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(child.communicate()[0].strip() for child in children) == ["False", "False", "True"]


def test_a_database_of_a_newer_program_is_refused(home: Path) -> None:
    bulk.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('store', '9999_later', '2026-01-01')")
    with pytest.raises(database.DatabaseNewer, match="9999_later"):
        database.migrate()
    bulk.execute("DELETE FROM django_migrations WHERE name = '9999_later'")
    bulk.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('gone', '0001', '2026-01-01')")
    assert not database.migrate()
    bulk.execute("DELETE FROM django_migrations WHERE app = 'gone'")


@ONLY_SQLITE
def test_a_file_that_is_no_database_is_an_error(home: Path) -> None:
    connections.close_all()
    for file in home.iterdir():
        file.unlink()
    (home / database.FILE).write_bytes(b"no database, but long enough to be looked at" * 100)
    with pytest.raises(database.DatabaseDamaged, match="not a database"):
        database.migrate()


@ONLY_SQLITE
def test_a_database_that_can_not_be_opened_says_the_way_out(home: Path) -> None:
    connections.close_all()
    for file in home.iterdir():
        file.unlink()
    (home / database.FILE).mkdir()
    with pytest.raises(database.DatabaseUnavailable, match="unable to open database file; see that the home folder"):
        database.migrate()


@ONLY_SQLITE
def test_a_broken_migrations_table_is_an_error(home: Path) -> None:
    bulk.execute("ALTER TABLE django_migrations RENAME COLUMN app TO other")
    with pytest.raises(database.DatabaseUnavailable, match="no such column"):
        database.migrate()


@ONLY_POSTGRESQL
def test_the_first_migration_runs_on_postgresql(home: Path, server: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE fresh")
    database.connect(home, server.replace("/crm?", "/fresh?"))
    assert database.migrate()
    assert not database.migrate()
    bulk.execute("ALTER TABLE django_migrations RENAME COLUMN app TO other")
    with pytest.raises(Exception, match="column"):
        database.migrate()
    connections.close_all()
    database.connect(home, server)
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE fresh")


@ONLY_POSTGRESQL
def test_a_lost_connection_is_opened_again(home: Path, server: str) -> None:
    (pid,) = bulk.query("SELECT pg_backend_pid()")[0]
    connection.close()
    database.connect(home, server)
    bulk.query("SELECT 1")
    (mine,) = bulk.query("SELECT pg_backend_pid()")[0]
    assert mine != pid
    with connection.cursor() as cursor, pytest.raises(OperationalError):
        cursor.execute("SELECT pg_terminate_backend(%s)", [mine])
    database.refresh()
    inbox.accept([arrival(1)])
    assert len(inbox.pending("crm", 9)) == 1


def test_a_server_that_is_away_may_be_there_later(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    database.connect(tmp_path, postgres.url(str(tmp_path), "crm"))
    assert database.is_postgresql()
    asked: list[Callable[[], object]] = [
        database.migrate,
        lambda: lease.take("crm"),
        lease.held_boxes,
        metrics.read,
        people.anybody,
        lambda: counts.counts(date(2026, 11, 26)),
    ]
    for ask in asked:
        with pytest.raises(database.DatabaseUnavailable):
            ask()


def test_an_interface_error_inside_a_transaction_leaves_the_connection_alone(home: Path) -> None:
    with pytest.raises(database.DatabaseUnavailable, match="gone"), database.writing(), database.available():
        raise OperationalError("gone")
    with pytest.raises(database.DatabaseUnavailable, match="OperationalError"), database.available():
        raise OperationalError
    with database.writing():
        database.refresh()
        assert bulk.query("SELECT 1") == [(1,)]


def test_urls_name_the_database(tmp_path: Path) -> None:
    sqlite = database._database(tmp_path, f"sqlite:///{tmp_path}/my%20crm.db")
    assert sqlite["NAME"] == f"{tmp_path}/my crm.db"
    server = database._database(tmp_path, "postgresql://us%40er:pa%3Ass@db.firma.cz:5433/crm?sslmode=verify-full")
    names = ("USER", "PASSWORD", "HOST", "PORT", "NAME")
    assert [server[name] for name in names] == ["us@er", "pa:ss", "db.firma.cz", "5433", "crm"]
    idle = "-c idle_in_transaction_session_timeout=30000"
    assert server["OPTIONS"] == {"connect_timeout": 10, "options": idle, "sslmode": "verify-full"}
    own = database._database(tmp_path, "postgresql://db.firma.cz/crm?options=-c%20statement_timeout%3D9")
    assert own["OPTIONS"]["options"] == f"{idle} -c statement_timeout=9"
    assert database._database(tmp_path, "postgres://localhost")["NAME"] == "crmservice"


@pytest.mark.parametrize("url", ["mysql://x", "postgresql://user:secret@host:port/x"])
def test_a_bad_url_is_a_fault_that_shows_no_secret(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadConfiguration) as fault:
        database.connect(tmp_path, url)
    assert "secret" not in str(fault.value)


def test_the_home_is_unknown_before_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_Place", SimpleNamespace(home=None))
    with pytest.raises(CrmServiceError, match="not connected"):
        database.home()


def test_where_django_comes_first_the_store_does_not_set_it_up_again() -> None:
    """As in a web server or ``manage.py``: the store is imported in the midst of Django's own beginning."""
    code = """
        from crmservice import bootstrap
        bootstrap.prepare()
        import django
        begun = []
        setup = django.setup
        django.setup = lambda: begun.append(1)
        setup()
        import crmservice.store.models
        print(begun)
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.server
def test_on_postgresql_who_was_paused_in_a_transaction_loses_it_and_its_locks(tmp_path: Path, server: str) -> None:
    database.connect(tmp_path, f"{server}&options=-c%20idle_in_transaction_session_timeout%3D100")

    def paused() -> None:
        with database.writing():
            bulk.execute("INSERT INTO crm_counter (name, value) VALUES ('paused', 1)")
            time.sleep(0.5)
            bulk.execute("UPDATE crm_counter SET value = 2 WHERE name = 'paused'")

    with pytest.raises(database.DatabaseUnavailable):
        paused()
    database.refresh()
    assert bulk.query("SELECT 1 FROM crm_counter WHERE name = 'paused'") == []


def test_a_fault_of_the_programs_own_says_nothing_of_the_database(home: Path) -> None:
    assert database.fault_of(InternalError("a bug")) is None
    assert database.fault_of(ValueError("a bug")) is None
