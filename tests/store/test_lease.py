"""One process works on a box; who lost it without noticing writes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from django.db import connection, connections

from crmservice.errors import TryLater
from crmservice.store import bulk, database, inbox, lease, locks
from tests.store.conftest import arrival


def test_a_box_is_taken_once(home: Path) -> None:
    first = lease.take("crm")
    with pytest.raises(lease.LeaseHeld, match=f"process {os.getpid()} on ") as held:
        lease.take("crm")
    assert not held.value.permanent
    lease.take("other").release()
    first.release()
    first.release()
    second = lease.take("crm")
    assert second.epoch == first.epoch + 1
    second.release()


def test_a_held_lease_lets_its_holder_write(home: Path) -> None:
    held = lease.take("crm")
    inbox.accept([arrival(1)], held)
    held.renew()
    assert len(inbox.pending("crm", 9)) == 1
    held.release()


def test_a_lost_lease_writes_nothing(home: Path) -> None:
    held = lease.take("crm")
    bulk.execute("UPDATE crm_lease SET epoch = epoch + 1")
    with pytest.raises(lease.LeaseLost):
        inbox.accept([arrival(1)], held)
    with pytest.raises(lease.LeaseLost):
        held.renew()
    bulk.execute("DELETE FROM crm_lease")
    with pytest.raises(lease.LeaseLost):
        held.renew()
    assert inbox.pending("crm", 9) == []
    held.release()


@pytest.mark.parametrize("home", [pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)
def test_a_lease_that_nobody_renewed_is_free(home: Path) -> None:
    first = lease.take("crm")
    bulk.execute("UPDATE crm_lease SET until = clock_timestamp() - interval '1 second'")
    second = lease.take("crm")
    with pytest.raises(lease.LeaseLost):
        first.renew()
    first.release()
    second.renew()
    second.release()
    assert bulk.query("SELECT until FROM crm_lease") == [(None,)]


@pytest.mark.parametrize("home", [pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)
def test_one_that_was_paused_in_the_middle_of_a_write_keeps_no_box(home: Path) -> None:
    """Time-outs of the server end a transaction between two statements; within a pipeline it counts as at work."""
    lease.take("crm", expiry=1.0)
    paused = connection.copy()
    paused.ensure_connection()
    raw = paused.connection.pgconn
    raw.exec_(b"BEGIN")
    raw.exec_(b"SET LOCAL idle_in_transaction_session_timeout = 1")
    raw.enter_pipeline_mode()
    raw.send_query_params(b"UPDATE crm_lease SET until = clock_timestamp() + interval '1 hour'", None)
    raw.send_flush_request()
    raw.flush()
    while not bulk.query("SELECT 1 FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"):
        pass
    bulk.execute("SET lock_timeout = '10s'")
    with pytest.raises(lease.LeaseHeld):  # at once: who looks now must not wait for the locked row for ever
        lease.take("crm")
    while bulk.query("SELECT 1 FROM crm_lease WHERE until >= clock_timestamp()"):
        time.sleep(0.05)
    lease.take("crm").release()
    paused.close()


@pytest.mark.parametrize("home", [pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)
def test_a_box_that_another_took_in_the_same_moment_is_held(home: Path) -> None:
    lease.take("crm").release()
    other = connection.copy()
    other.ensure_connection()
    raw = other.connection.pgconn
    raw.exec_(b"BEGIN")
    raw.exec_(
        b"UPDATE crm_lease SET holder = '7 other 2026-01-01 00:00:00', until = clock_timestamp() + interval '1 hour'"
    )
    commit = threading.Timer(0.3, lambda: raw.exec_(b"COMMIT"))
    commit.start()
    with pytest.raises(lease.LeaseHeld, match="process 7 on other"):
        lease.take("crm")
    commit.join()
    other.close()


@pytest.mark.parametrize("home", [pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)
def test_a_database_without_the_table_has_no_held_boxes(home: Path) -> None:
    held = lease.take("crm")
    assert lease.held_boxes() == ["crm"]
    held.release()
    bulk.execute("ALTER TABLE crm_lease RENAME TO crm_lease_away")
    try:
        assert lease.held_boxes() == []
    finally:
        bulk.execute("ALTER TABLE crm_lease_away RENAME TO crm_lease")


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_the_kernel_frees_the_lease_of_a_killed_process(home: Path) -> None:
    program = """
        import os, sys
        from pathlib import Path
        from crmservice.store import database, lease
        database.connect(Path(sys.argv[1]))
        lease.take("crm")
        print("taken", flush=True)
        sys.stdin.read()
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "taken\n"
        with pytest.raises(lease.LeaseHeld, match=f"process {child.pid} on "):
            lease.take("crm")
        child.kill()
        child.wait()
    lease.take("crm").release()


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_a_holder_that_wrote_nothing_yet_is_another_process(home: Path) -> None:
    held = lease.take("crm")
    lease.lock_file("crm").write_text("", encoding="utf-8")
    with pytest.raises(lease.LeaseHeld, match="another process"):
        lease.take("crm")
    held.release()


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_a_lease_that_could_not_be_noted_is_let_go(home: Path) -> None:
    bulk.execute("ALTER TABLE crm_lease RENAME TO hidden")
    with pytest.raises(database.DatabaseUnavailable):
        lease.take("crm")
    bulk.execute("ALTER TABLE hidden RENAME TO crm_lease")
    lease.take("crm").release()


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_names_of_boxes_never_share_a_lock(home: Path) -> None:
    assert len({lease.lock_file(name) for name in ("a b", "a_b", "a/b", "..", "ab")}) == 5
    assert all(lease.lock_file(name).parent == home / ".crmservice" for name in ("a/b", "../x"))


def test_a_lock_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "x.lock"
    with locks.held(path, 0), pytest.raises(TryLater, match=r"x\.lock"), locks.held(path, 0.05):
        pass
    with locks.held(path, 0):
        pass
    connections.close_all()
