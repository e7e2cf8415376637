"""A copy of the database is one moment of it, whatever is written meanwhile, and comes back as it was."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections

from crmservice.errors import BadConfiguration
from crmservice.store import bulk, database, dump, inbox, tables
from crmservice.testing.builders import COMPANY
from tests.store.conftest import arrival

ON_SQLITE = pytest.mark.parametrize("home", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("home", [pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)


def away(home: Path) -> Path:
    """A folder for copies."""
    folder = home / "away"
    folder.mkdir()
    return folder


def test_a_copy_brings_everything_back(home: Path, tmp_path: Path) -> None:
    tables.load(COMPANY)
    inbox.accept([arrival(n) for n in range(20)])
    before = tables.export()
    file = away(tmp_path) / dump.name()
    assert not dump.is_empty()
    dump.save(file)
    bulk.execute("UPDATE crm_message SET subject = 'other', box = 'x'")
    bulk.execute("DELETE FROM crm_contact_address")
    tables.load({"accounts": [{"name": "made since then"}]})
    dump.load(file)
    assert not database.migrate()
    assert tables.export() == before
    assert [row.box for row in inbox.list_messages()] == ["crm"] * 20


def test_a_store_without_records_is_empty(home: Path) -> None:
    assert dump.is_empty()
    inbox.accept([arrival(0)])
    assert not dump.is_empty()


@ON_SQLITE
def test_a_file_without_tables_is_empty(home: Path, tmp_path: Path) -> None:
    database.connect(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    assert dump.is_empty()


@contextmanager
def somebody_writing(file: Path) -> Iterator[list[int]]:
    """Another process's connection that writes all the time: each write in two tables or in none."""
    over, wrote = threading.Event(), [0]

    def write() -> None:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
            while not over.is_set():
                other.execute("BEGIN IMMEDIATE")
                other.execute("INSERT INTO one VALUES (?)", [wrote[0]])
                other.execute("INSERT INTO two VALUES (?)", [wrote[0]])
                other.execute("COMMIT")
                wrote[0] += 1

    with closing(sqlite3.connect(file, isolation_level=None)) as first:
        first.execute("CREATE TABLE one (x)")
        first.execute("CREATE TABLE two (x)")
        first.execute(
            "CREATE TABLE much AS WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, randomblob(2000) FROM n"
        )
    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield wrote
    finally:
        over.set()
        writer.join()


@ON_SQLITE
def test_a_copy_ends_and_is_of_one_moment_while_others_write(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    with somebody_writing(home / database.FILE) as wrote:
        begun = wrote[0]
        dump.save(file)
        assert wrote[0] > begun, "nobody wrote meanwhile: nothing was tried"
    with closing(sqlite3.connect(file)) as copy:
        (one,), (two,) = copy.execute("SELECT count(*) FROM one UNION ALL SELECT count(*) FROM two").fetchall()
        assert one == two >= begun
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert not list(tmp_path.glob("copy.db-*"))


@ON_SQLITE
def test_a_database_without_wal_is_copied_too(home: Path, tmp_path: Path) -> None:
    inbox.accept([arrival(0)])
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = DELETE")
    connections["default"].close()
    dump.save(tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM crm_message").fetchone() == (1,)


@ON_SQLITE
def test_what_the_replaced_file_had_in_its_log_is_not_read_into_the_new_one(home: Path, tmp_path: Path) -> None:
    file = away(tmp_path) / "crmservice.db"
    dump.save(file)
    with closing(sqlite3.connect(home / database.FILE, isolation_level=None)) as other:
        inbox.accept([arrival(0)])
        assert (home / "crmservice.db-wal").stat().st_size > 0
        dump.load(file)
        assert inbox.list_messages() == []
        assert other.execute("SELECT count(*) FROM crm_message").fetchone() == (1,)
    assert inbox.list_messages() == []


@ON_SQLITE
def test_a_copy_of_the_other_kind_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="other kind of database"):
        dump.load(tmp_path / dump.POSTGRESQL)


@ON_POSTGRESQL
def test_without_the_client_programs_it_says_what_to_install(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadConfiguration, match="pg_dump is not on PATH"):
        dump.save(tmp_path / dump.POSTGRESQL)


@ON_POSTGRESQL
def test_what_the_program_says_is_told(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", "nowhere")
    with pytest.raises(dump.DumpFailed, match=r'pg_dump failed: .*database "nowhere" does not exist'):
        dump.save(away(tmp_path) / dump.POSTGRESQL)
    monkeypatch.undo()
    (tmp_path / dump.POSTGRESQL).write_bytes(b"torn")
    inbox.accept([arrival(0)])
    with pytest.raises(dump.DumpFailed, match="pg_restore failed"):
        dump.load(tmp_path / dump.POSTGRESQL)
    assert len(inbox.list_messages()) == 1
