"""Retention: what is older than its days goes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crmservice.backup.folder import BackupFolder
from crmservice.config.values import Retention
from crmservice.service.retaining import Retaining
from crmservice.service.verifying import differences
from crmservice.store import audit, bulk, erasures, holds, ledger, tables
from crmservice.testing.builders import COMPANY, calendar, eml
from tests.service.desk import NOON, Desk, breaking
from tests.store.conftest import empty_sqlite, home, server

__all__ = ["empty_sqlite", "home", "server"]

FILED = eml(sender="jana@acme.cz", to="novak@firma.cz", subject="založená", message_id="1@x")
SKIPPED = eml(sender="nikdo@jinde.example", to="nikdo@jinde.example", subject="nezaložená", message_id="2@x")
INVITED = eml(sender="jana@acme.cz", to="novak@firma.cz", subject="pozvánka", message_id="3@x", parts=[calendar()])
BROKEN = eml(sender="jana@acme.cz", to="novak@firma.cz", subject="rozbitá", message_id="4@x")
SUBJECTS = ["založená", "nezaložená", "pozvánka", "založená"]
"""What was set aside has none."""
OLD = NOON - timedelta(days=100)
BEYOND = eml(sender="jana@acme.cz", to="novak@firma.cz", subject="čeká", message_id="5@x")


@pytest.fixture
def desk(home: Path) -> Desk:
    """A hundred days ago: one of each verdict (the last is a duplicate), and one that waits."""
    tables.load(COMPANY)
    desk = Desk(home, now=OLD)
    desk.put(FILED, SKIPPED, INVITED, BROKEN, FILED)
    desk.take()
    for _ in range(3):
        desk.filing(first=breaking("rozbitá", ValueError("bad"))).run(desk.box)
    desk.put(BEYOND)
    desk.take()
    assert [row.verdict or "waits" for row in desk.rows()] == [
        "processed", "skipped", "processed", "set_aside", "duplicate", "waits",
    ]  # fmt: skip
    return desk


def retain(
    desk: Desk, at: datetime = NOON, stopping: Callable[[], bool] = lambda: False, **days: Any
) -> dict[str, int]:
    work = Retaining(BackupFolder(desk.home), Retention(**days), lambda: at, stopping)
    return dict(work.run("service", "job"))


def left(desk: Desk) -> tuple[list[str], list[str], list[str]]:
    """Subjects of messages that are known, of those with a backup, and of activities."""
    known = bulk.query("SELECT subject, path FROM crm_message WHERE erased IS NULL ORDER BY id")
    activities = bulk.query("SELECT subject FROM crm_activity ORDER BY id")
    assert len(list(desk.home.rglob("*.eml"))) == sum(1 for _, path in known if path)
    assert list(differences(BackupFolder(desk.home), desk.home, quick=False)) == []
    assert sum(counts.arrived for counts in ledger.by_box().values()) == 6
    return [s for s, _ in known if s], [s or "–" for s, path in known if path], [s for (s,) in activities]


def test_where_nothing_is_set_nothing_goes(desk: Desk) -> None:
    before = left(desk)
    assert retain(desk, at=NOON + timedelta(days=36_500)) == {}
    assert left(desk) == before


def test_backups_go_and_what_was_made_of_the_mail_stays(desk: Desk) -> None:
    assert retain(desk, backups=99) == {"backups": 4}
    known, backups, activities = left(desk)
    assert (known, activities) == (SUBJECTS, ["založená", "pozvánka"])
    assert len(backups) == 2  # what was set aside, what waits
    assert erasures.read(erasures.file()).dropped


def test_unfiled_mail_goes_whole_and_filed_mail_stays(desk: Desk) -> None:
    assert retain(desk, unfiled=99) == {"unfiled": 2}
    known, backups, activities = left(desk)
    assert (known, activities) == (["založená", "pozvánka"], ["založená", "pozvánka"])
    assert len(backups) == 4


def test_personal_data_goes_whole_but_what_waits(desk: Desk) -> None:
    assert retain(desk, personal=99) == {"personal": 5}
    assert left(desk) == ([], ["–"], [])
    assert bulk.query("SELECT count(*) FROM crm_invitation") == [(0,)]


@pytest.mark.parametrize("kind", ["backups", "unfiled", "personal"])
def test_a_day_too_young_nothing_goes(desk: Desk, kind: str) -> None:
    before = left(desk)
    days: dict[str, Any] = {kind: 100}
    assert retain(desk, **days) == {}
    assert left(desk) == before


@pytest.mark.parametrize("kind", ["backups", "unfiled", "personal"])
def test_a_legal_hold_stops_it(desk: Desk, kind: str) -> None:
    before = left(desk)
    holds.hold("acme.cz", "spor", "sef", "web")
    holds.hold("jinde.example", "spor", "sef", "web")
    days: dict[str, Any] = {kind: 1}
    assert set(retain(desk, **days)) == {"held"}
    assert left(desk) == before


def test_under_any_hold_a_mail_that_cant_be_read_stays(desk: Desk) -> None:
    holds.hold("nobody.example", "spor", "sef", "web")
    for file in desk.home.rglob("*.eml"):
        file.unlink()
    assert retain(desk, personal=1) == {"held": 5}


def test_it_is_in_the_audit_log(desk: Desk) -> None:
    retain(desk, backups=99, unfiled=99)
    said = {(entry.who, entry.source, entry.action, entry.object) for entry in audit.entries()}
    assert {("service", "job", "retention", "backups"), ("service", "job", "retention", "unfiled")} <= said


def test_the_second_time_there_is_nothing_to_do_and_a_stop_is_gone_on_from(desk: Desk) -> None:
    asked = iter([False, True, True, True])
    assert sum(retain(desk, stopping=lambda: next(asked), personal=99).values()) == 1
    assert retain(desk, personal=99) == {"personal": 4}
    assert retain(desk, personal=99, backups=99, unfiled=99) == {}


def test_cut_short_it_is_made_good(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("crmservice.store.erase.without_backup", _die)
        with pytest.raises(KeyboardInterrupt):
            retain(desk, backups=99)
    retain(desk, backups=99)
    assert len(left(desk)[1]) == 2


def _die(_ids: object) -> None:
    raise KeyboardInterrupt
