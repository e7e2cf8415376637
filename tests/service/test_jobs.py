"""Work that comes again: when it is due, and what becomes of its outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError

from crmservice.config import Settings
from crmservice.errors import CrmServiceError, TryLater
from crmservice.service.jobs import JOBS
from crmservice.service.log import ServiceLog
from crmservice.service.running import LEASE, KeeperLease, Running, Standing
from crmservice.service.scheduled import Context, Scheduled, daily, every
from crmservice.store import jobs, lease
from crmservice.store.jobs import Last
from tests.service.desk import NOON

PRAGUE = ZoneInfo("Europe/Prague")


def began(at: datetime) -> Last:
    return Last("job", at.astimezone(UTC))


def test_names_of_jobs_are_their_own() -> None:
    names = [job.name for job in JOBS]
    assert len(set(names)) == len(names)


def test_so_often() -> None:
    due = every(timedelta(minutes=5))
    assert due(NOON, None)
    assert not due(NOON, began(NOON - timedelta(minutes=4)))
    assert due(NOON, began(NOON - timedelta(minutes=5)))
    assert due(NOON, began(datetime(2099, 1, 1, tzinfo=UTC)))  # the clock was wrong then


@pytest.mark.parametrize("day", [datetime(2027, 3, 28, tzinfo=PRAGUE), datetime(2027, 10, 31, tzinfo=PRAGUE)])
@pytest.mark.parametrize("at", [time(0, 0), time(2, 30), time(23, 59)])
def test_once_a_day_on_days_with_a_clock_change_too(day: datetime, at: time) -> None:
    due, last, ran = daily(at), began(day - timedelta(days=2)), []
    start = (day - timedelta(days=1)).astimezone(UTC)
    for minute in range(3 * 24 * 60):
        now = (start + timedelta(minutes=minute)).astimezone(PRAGUE)
        if due(now, last):
            last = began(now)
            ran.append(now)
    # The first one makes up for what was missed before.
    assert len({now.date() for now in ran[1:]}) == len(ran[1:]) in (2, 3)


def test_a_time_that_was_missed_is_made_up_for_at_the_start() -> None:
    due = daily(time(3, 0))
    now = datetime(2026, 3, 2, 9, tzinfo=PRAGUE)
    assert due(now, began(datetime(2026, 3, 1, 3, 1, tzinfo=PRAGUE)))
    assert not due(now, began(datetime(2026, 3, 2, 3, 1, tzinfo=PRAGUE)))
    assert due(now, began(datetime(2099, 1, 1, tzinfo=UTC)))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """One job on a home. ``told`` is what an operator heard."""

    def __init__(
        self, home: Path, run: Callable[[Context], Mapping[str, object]], *, noted: bool = True, alone: bool = True
    ) -> None:
        self.now = NOON
        self.told: list[str] = []
        settings = Settings(home)
        log = ServiceLog(home, settings.zone, lambda: self.now)
        context = Context(settings, log, lambda: self.now, tuple)
        self.running = Running(
            Scheduled("job", every(timedelta(hours=1)), run, noted=noted, alone=alone),
            context,
            self._tell,
        )

    def _tell(self, what: str, fault: CrmServiceError) -> None:
        self.told.append(f"{what}: {fault}")

    def look(self, *, mine: bool = True) -> Last | None:
        """Once; what is written of the job then."""
        self.running.look(mine=mine)
        self.running.join(30)
        return jobs.read("job")


def test_what_a_job_came_to_is_written_down(home: Path) -> None:
    bench = Bench(home, lambda context: {"boxes": len(context.boxes)})
    assert bench.look() == Last("job", NOON, NOON, True, {"boxes": 0})
    bench.now += timedelta(minutes=59)
    assert bench.look() == Last("job", NOON, NOON, True, {"boxes": 0})
    bench.now += timedelta(minutes=1)
    last = bench.look()
    assert last is not None
    assert last.began == bench.now


def test_a_job_is_noted_before_it_does_anything(home: Path) -> None:
    seen: list[Last | None] = []

    def run(_context: Context) -> Mapping[str, object]:
        seen.append(jobs.read("job"))
        return {}

    Bench(home, run).look()
    assert seen == [Last("job", NOON)]


def test_a_fault_is_told_once_and_written_each_time(home: Path) -> None:
    def run(_context: Context) -> Mapping[str, object]:
        raise TryLater("the mail server is away")

    bench = Bench(home, run)
    for _ in range(2):
        last = bench.look()
        assert last is not None
        assert not last.ok
        bench.now += timedelta(hours=1)
    assert bench.told == ["job: the mail server is away"]


def test_a_database_that_is_away_is_no_bug_of_a_job(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_context: Context) -> Mapping[str, object]:
        raise OperationalError("the server is gone")

    bench = Bench(home, run)
    bench.look()
    assert bench.told == ["job: the database is not available: the server is gone"]
    assert capsys.readouterr().err == ""


def test_a_bug_in_one_job_is_told_and_ends_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_context: Context) -> Mapping[str, object]:
        raise ValueError("told on standard error")

    last = (bench := Bench(home, run)).look()
    assert last is not None
    assert not last.ok
    assert bench.told == ["job: an unexpected fault (ValueError); standard error says more"]
    assert "told on standard error" in capsys.readouterr().err


def test_a_job_that_runs_is_not_begun_again(home: Path) -> None:
    begun, go_on = [], threading.Event()

    def run(_context: Context) -> Mapping[str, object]:
        begun.append(1)
        go_on.wait(30)
        return {}

    bench = Bench(home, run, noted=False)
    bench.running.look(mine=True)
    bench.now += timedelta(hours=2)
    bench.running.look(mine=True)
    go_on.set()
    bench.running.join(30)
    assert begun == [1]
    assert jobs.read_all() == []  # and not noted


def test_what_only_one_service_does_is_left_to_it(home: Path) -> None:
    ran: list[int] = []

    def run(_context: Context) -> Mapping[str, object]:
        ran.append(1)
        return {}

    Bench(home, run).look(mine=False)
    assert ran == []
    Bench(home, run, alone=False).look(mine=False)
    assert ran == [1]


def test_only_one_keeper_has_the_right(home: Path) -> None:
    other, clock = lease.take(LEASE), Clock()
    mine = KeeperLease(clock)
    assert not mine.held()
    other.release()
    assert not mine.held()  # asked every ten seconds
    clock.now += 10
    assert mine.held()
    with pytest.raises(lease.LeaseHeld):
        lease.take(LEASE)
    mine.close()
    lease.take(LEASE).release()


def test_what_stands_beside_is_tried_again_where_it_can_not_begin(home: Path) -> None:
    told: list[str] = []
    stands: list[str] = []

    @contextmanager
    def server(_context: Context) -> Iterator[None]:
        if not told:
            raise TryLater("the port is taken")
        stands.append("begun")
        yield
        stands.append("ended")

    clock = Clock()
    standing = Standing(server, lambda what, fault: told.append(f"{what}: {fault}"), clock)
    context = Context(Settings(home), ServiceLog(home, UTC, lambda: NOON), lambda: NOON, tuple)
    standing.up(context)
    standing.up(context)
    assert (told, stands) == (["server: the port is taken"], [])
    clock.now += 2
    standing.up(context)
    standing.up(context)
    standing.end()
    assert stands == ["begun", "ended"]
