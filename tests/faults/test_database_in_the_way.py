"""The database is held by somebody else, and its index of the log is lost (TRUST.md C7).

Held for longer than anybody waits: tests/faults/test_interference.py.
"""

from __future__ import annotations

import time

import pytest

from crmservice import bootstrap
from tests.faults.fixtures import Figures
from tests.faults.scene import Scene

WAITING = 40


def hold(scene: Scene, seconds: float) -> None:
    """Hold the only right to write for so long, and all right to read where it is exclusive."""
    bootstrap.prepare()
    import sqlite3

    connection = sqlite3.connect(scene.place.home / "crmservice.db", isolation_level=None, timeout=30)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.rollback()
    finally:
        connection.close()


@pytest.mark.parametrize("turns", [4, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("on_stub", ["pop3", "imap"], indirect=True)
def test_a_database_that_is_held_again_and_again_costs_nothing(on_stub: Scene, turns: int, figures: Figures) -> None:
    on_stub.mails.broken = 0
    worker = on_stub.start()
    for _ in range(turns):
        on_stub.fill(WAITING)
        worker.ended(on_stub.chance.uniform(0, 0.3))
        hold(on_stub, on_stub.chance.uniform(0, 1))
    assert not worker.ended(0)
    worker.stop()
    assert on_stub.settle() == [], f"CRM_TEST_SEED={on_stub.seed}"
    figures("C7", f"held {turns} times, {len(on_stub.place.sent)} mails, 0 faults")


@pytest.mark.parametrize("turns", [4, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("on_stub", ["pop3"], indirect=True)
def test_the_index_of_the_log_may_be_lost_with_the_worker(on_stub: Scene, turns: int, figures: Figures) -> None:
    lost = 0
    while lost < turns:
        on_stub.fill(WAITING)
        on_stub.gone(on_stub.at_work(0.3).kill())
        index = on_stub.place.home / "crmservice.db-shm"
        lost += index.exists()
        index.unlink(missing_ok=True)
    assert on_stub.settle() == [], f"CRM_TEST_SEED={on_stub.seed}"
    figures("C7", f"killed and its -shm removed {lost} times, {len(on_stub.place.sent)} mails, 0 faults")
