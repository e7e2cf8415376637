"""How a box fares reaches its row, the log and, when it lasts, an administrator."""

from __future__ import annotations

import errno
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from crmservice.backup import BackupFailed
from crmservice.errors import CrmServiceError
from crmservice.service.health import Health, no_room
from crmservice.service.log import ServiceLog
from crmservice.sources import SourceError
from crmservice.store import box_state, bulk, notices
from crmservice.store.database import DatabaseUnavailable
from crmservice.testing.builders import box
from crmservice.words import Words
from tests.service.desk import NOON

AWAY = SourceError("the server is away")
REFUSED = SourceError("wrong password", permanent=True)


class Watched:
    """A box whose health is told, on a clock of its own."""

    def __init__(self, home: Path, poll: int = 300) -> None:
        self.home = home
        self.box = box(poll_seconds=poll)
        self.now = NOON
        self.said: list[str] = []
        self.health = self.again()

    def again(self) -> Health:
        log = ServiceLog(self.home, self.box.zone, self.time)
        self.health = Health(self.box, log, lambda words, _fault: self.said.append(str(words)), self.time)
        return self.health

    def time(self) -> datetime:
        return self.now

    def after(self, **interval: float) -> Health:
        self.now += timedelta(**interval)
        return self.health

    def noted(self) -> list[tuple[str, str]]:
        return [(notice.kind, str(notice.facts["fault"])) for notice in notices.listed()]

    def state(self) -> box_state.State:
        return box_state.read(self.box.name)


@pytest.fixture
def watched(home: Path) -> Watched:
    return Watched(home)


def test_a_box_that_works_says_when_it_was_read(watched: Watched) -> None:
    watched.health.cycle([])
    watched.after(minutes=5).cycle([])
    state = watched.state()
    assert (state.kind, state.tried, state.succeeded) == ("ok", watched.now, watched.now)
    assert watched.noted() == []


def test_a_passing_fault_is_no_notice_before_it_lasted(watched: Watched) -> None:
    watched.health.cycle([])
    watched.after(seconds=10).cycle([AWAY])
    watched.after(seconds=10).cycle([AWAY])
    state = watched.state()
    assert (state.kind, state.failures, str(state.fault)) == ("failing", 2, "the server is away")
    assert state.failing_since == NOON + timedelta(seconds=10)
    assert state.succeeded == NOON
    assert watched.noted() == []
    watched.after(minutes=3).cycle([AWAY])
    assert watched.noted() == [("box-failing", "the server is away")]


def test_three_short_cycles_are_enough(home: Path) -> None:
    watched = Watched(home, poll=10)
    watched.health.cycle([])
    watched.health.cycle([AWAY])
    watched.after(seconds=29).cycle([AWAY])
    assert watched.noted() == []
    watched.after(seconds=1).cycle([AWAY])
    assert watched.noted() == [("box-failing", "the server is away")]


def test_a_box_that_never_worked_is_told_at_once(watched: Watched) -> None:
    watched.health.cycle([AWAY])
    assert watched.noted() == [("box-failing", "the server is away")]


def test_what_waiting_does_not_mend_is_told_at_once_and_first(watched: Watched) -> None:
    watched.health.cycle([AWAY, REFUSED])
    assert watched.noted() == [("box-failing", "wrong password")]
    assert watched.state().permanent


def test_since_when_a_fault_lasts_outlives_the_process(watched: Watched) -> None:
    watched.health.cycle([AWAY])
    watched.again()
    watched.after(minutes=10).cycle([AWAY])
    assert watched.state().failing_since == NOON
    assert len(watched.noted()) == 1


def test_a_box_that_works_again_says_since_when_it_did_not(watched: Watched) -> None:
    watched.health.cycle([AWAY])
    watched.after(minutes=1).cycle([])
    assert watched.state() == box_state.State("crm", "ok", watched.now, watched.now)
    assert "works again; it had a fault since 2026-03-02" in (watched.home / "CRMService.log").read_text()


def test_a_pause_is_no_fault_and_no_success(watched: Watched) -> None:
    watched.health.cycle([])
    watched.after(hours=1).cycle([], paused=True)
    assert watched.state() == box_state.State("crm", "paused", watched.now, NOON)


def test_a_fault_is_said_where_it_happens(watched: Watched) -> None:
    watched.health.tell(AWAY)
    assert watched.said == ["crm: the server is away"]
    assert "ERROR" in (watched.home / "CRMService.log").read_text()


def test_a_fault_that_is_waited_out_counts_its_tries_alone(watched: Watched) -> None:
    watched.health.cycle([REFUSED])
    watched.after(minutes=5).cycle([REFUSED], tried=False)
    assert (watched.state().failures, watched.state().tried) == (1, watched.now)
    assert [notice.count for notice in notices.listed()] == [1]


def test_what_the_database_did_not_take_is_told_when_it_does(watched: Watched) -> None:
    watched.health.cycle([])
    bulk.execute("ALTER TABLE crm_notice RENAME TO hidden")
    watched.after(minutes=5).cycle([REFUSED])
    bulk.execute("ALTER TABLE hidden RENAME TO crm_notice")
    watched.after(minutes=5).cycle([])
    assert watched.noted() == [("box-failing", "wrong password")]


def test_a_full_disk_is_a_notice_of_its_own(watched: Watched) -> None:
    full = BackupFailed("the backup can't be written")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    watched.health.cycle([full])
    assert watched.noted() == [("disk-full", "the backup can't be written")]


@pytest.mark.parametrize(
    ("cause", "full"),
    [
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EDQUOT, ""), True),
        (OSError(errno.EIO, ""), False),
        (RuntimeError("database or disk is full"), True),
        (RuntimeError("database is locked"), False),
    ],
)
def test_a_full_disk_is_known_by_its_cause(cause: Exception, full: bool) -> None:
    fault: CrmServiceError = DatabaseUnavailable("the database is not available: {why}", why=Words("?"))
    fault.__cause__ = cause
    assert no_room(fault) is full


def test_a_turn_that_takes_long_is_written_down_while_it_lasts(watched: Watched) -> None:
    watched.health.turn()
    assert watched.state() == box_state.State("crm", tried=NOON)
    watched.after(seconds=29).turn()
    assert watched.state().tried == NOON
    watched.after(seconds=1).turn()
    assert watched.state().tried == watched.now


def test_a_turn_mends_no_fault(watched: Watched) -> None:
    watched.health.cycle([AWAY])
    watched.after(minutes=1).turn()
    state = watched.state()
    assert (state.kind, state.failures, state.failing_since, state.tried) == ("failing", 1, NOON, watched.now)
