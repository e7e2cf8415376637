"""A box's rounds: what is due is read, what fails waits alone, and in between whoever has news is heard."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from crmservice.config import Box
from crmservice.errors import CrmServiceError
from crmservice.service.rounds import QUICK_S, Rounds
from crmservice.service.stop import Leave, Stop
from crmservice.service.wake import Wake
from crmservice.sources import Source, SourceError
from crmservice.store.database import DatabaseUnavailable
from crmservice.store.lease import LeaseLost
from crmservice.testing.builders import box
from tests.service.shelf import MailServer, ShelfSource, TellingServer

AWAY = SourceError("away")


@dataclass
class Diary:
    """Work on a box that only notes what is asked of it."""

    box: Box
    taken: list[str] = field(default_factory=list)
    filed: int = 0
    fault: CrmServiceError | None = None

    def take(self, source: Source) -> None:
        self.taken.append(source.name)
        list(source.fetch(lambda _name: False, 1000))

    def file(self) -> None:
        self.filed += 1
        if self.fault is not None:
            raise self.fault


@dataclass
class Heard:
    told: list[str] = field(default_factory=list)
    cycles: list[tuple[list[str], bool]] = field(default_factory=list)
    tries: int = 0

    def tell(self, fault: CrmServiceError) -> None:
        self.told.append(str(fault))

    def cycle(self, faults: Sequence[CrmServiceError], *, paused: bool = False, tried: bool = True) -> None:
        self.tries += tried
        self.cycles.append(([str(fault) for fault in faults], paused))


class World:
    """Rounds over these sources, on clocks of their own."""

    def __init__(self, *sources: Source, **keys: object) -> None:
        self.diary = Diary(box(**{"poll_seconds": 60, **keys}))
        self.health = Heard()
        self.wake = Wake()
        self.stop = Stop(self.wake)
        self.ticks = 0.0
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.rounds = Rounds(
            self.diary, sources, self.stop, self.wake, self.health, lambda: self.now, lambda: self.ticks
        )

    def pass_by(self, seconds: float) -> None:
        self.ticks += seconds
        self.now += timedelta(seconds=seconds)

    def after(self, seconds: float) -> list[str]:
        """A round so many seconds later; what was read in it."""
        self.pass_by(seconds)
        self.diary.taken.clear()
        self.rounds.one()
        return list(self.diary.taken)


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(*sources: Source, **keys: object) -> World:
        made.append(World(*sources, **keys))
        return made[-1]

    yield make
    for one in made:
        one.wake.close()


def test_each_source_is_read_once_a_cycle_and_its_session_ends(world: Callable[..., World]) -> None:
    server, folder = MailServer({}), ShelfSource({})
    one = world(folder, server)
    assert one.after(0) == ["shelf", "server"]
    assert not server.open
    assert one.after(30) == []
    assert one.after(30) == ["shelf", "server"]
    assert one.health.cycles == [([], False)] * 2


def test_a_source_that_fails_waits_alone(world: Callable[..., World]) -> None:
    server, folder = MailServer({}, AWAY), ShelfSource({})
    one = world(folder, server)
    one.after(0)
    assert one.health.cycles[-1] == (["away"], False)
    assert one.after(1.3) == ["server"]
    assert one.after(0.5) == []
    server.broken = None
    assert one.after(2) == ["server"]
    assert one.health.cycles[-1] == ([], False)
    assert one.health.told == ["away", "away"]


def test_after_the_fault_ends_three_cycles_are_enough(world: Callable[..., World]) -> None:
    server = MailServer({}, AWAY)
    one = world(server)
    for _ in range(500):
        one.after(10)
    server.broken = None
    assert any(one.after(1) for _ in range(3 * 60))
    assert one.health.cycles[-1] == ([], False)


def test_a_nudge_reads_what_is_local_and_files(world: Callable[..., World]) -> None:
    one = world(ShelfSource({}), MailServer({}))
    one.after(0)
    one.wake.nudge()
    one.rounds.wait()
    assert one.after(0) == ["shelf"]
    assert one.diary.filed == 2


def test_mail_that_was_handed_over_is_filed_though_a_source_fails(world: Callable[..., World]) -> None:
    one = world(MailServer({}, AWAY))
    for _ in range(8):
        one.after(70)
    filed = one.diary.filed
    one.wake.nudge()
    one.rounds.wait()
    one.after(0)
    assert one.diary.filed == filed + 1


def test_while_a_fault_is_waited_out_the_box_shows_that_it_is_attended(world: Callable[..., World]) -> None:
    refused = SourceError("wrong password", permanent=True)
    one = world(MailServer({}, refused))
    for _ in range(30):
        one.after(60)
    assert one.health.told == ["wrong password"] * one.health.tries
    assert one.health.tries < 8
    assert len(one.health.cycles) > 20


def test_a_store_that_is_away_is_asked_with_patience(world: Callable[..., World]) -> None:
    one = world()
    one.diary.fault = DatabaseUnavailable("away")
    one.after(0)
    for _ in range(10):
        one.after(0.01)
    assert one.diary.filed == 1
    assert one.health.cycles == [(["away"], False)]
    one.diary.fault = None
    one.after(2)
    assert one.health.cycles[-1] == ([], False)


def test_a_lost_lease_ends_the_rounds(world: Callable[..., World]) -> None:
    one = world()
    one.diary.fault = LeaseLost()
    with pytest.raises(LeaseLost):
        one.after(0)
    assert one.health.told == []


# Waiting at a server


def test_it_waits_in_the_session_of_a_server_that_tells_of_mail(world: Callable[..., World]) -> None:
    waits: list[float] = []

    def during(seconds: float, _wake: int | None) -> bool:
        waits.append(seconds)
        return len(waits) == 2

    server = TellingServer({}, during)
    one = world(server)
    one.after(0)
    assert server.open
    one.rounds.wait()
    assert one.after(1) == []
    one.rounds.wait()
    assert one.after(0) == ["telling"]
    assert server.sessions == 1
    assert all(0 < wait <= 60 for wait in waits)


def test_a_nudge_ends_the_waiting_at_a_server(world: Callable[..., World]) -> None:
    def during(_seconds: float, wake: int | None) -> bool:
        assert wake is not None
        assert select.select([wake], [], [], 30)[0]
        return False

    one = world(ShelfSource({}), TellingServer({}, during))
    one.after(0)
    one.wake.nudge()
    one.rounds.wait()
    assert one.after(0) == ["shelf"]


def test_a_session_that_breaks_off_is_begun_anew_soon_but_not_for_ever_at_once(world: Callable[..., World]) -> None:
    def during(_seconds: float, _wake: int | None) -> bool:
        raise AWAY

    server = TellingServer({}, during)
    one = world(server)
    one.after(0)
    for _ in range(600):
        one.wake.nudge()  # where it does not wait at the server, it does not wait here either
        one.rounds.wait()
        one.after(1)
    assert one.health.told == []  # it answers whenever it is read: the box does not fail
    assert 10 < server.sessions < 30
    assert one.health.cycles[-1] == ([], False)


def test_a_session_that_held_for_long_is_begun_anew_at_once(world: Callable[..., World]) -> None:
    sessions = []

    def during(_seconds: float, _wake: int | None) -> bool:
        one.pass_by(QUICK_S + 1)
        raise AWAY

    server = TellingServer({}, during)
    one = world(server, poll_seconds=600)
    for _ in range(20):
        one.after(1.3)
        sessions.append(server.sessions)
        one.rounds.wait()
    assert sessions == list(range(1, 21))


def test_the_wish_to_end_leaves_a_server_that_is_waited_for(world: Callable[..., World]) -> None:
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]

    def during(_seconds: float, _wake: int | None) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    one = world(TellingServer({}, during))
    try:
        one.stop.listen()
        one.after(0)
        with pytest.raises(Leave):
            one.rounds.wait()
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before:
            signal.signal(number, handler)


# The pause


@pytest.mark.parametrize("day", [datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 10, 31, tzinfo=UTC)])
@pytest.mark.parametrize(("start", "end"), [("00:00", "06:00"), ("02:30", "02:45"), ("22:00", "06:00")])
def test_no_server_is_contacted_in_the_pause_on_any_minute_of_a_day_with_a_clock_change(
    day: datetime, start: str, end: str, world: Callable[..., World]
) -> None:
    zone = ZoneInfo("Europe/Prague")
    server, folder = TellingServer({}, lambda _seconds, _wake: False), ShelfSource({})
    one = world(server, folder, zone=zone, stop_from=time.fromisoformat(start), stop_to=time.fromisoformat(end))
    one.now = day - timedelta(hours=3)
    for _ in range(30 * 60):
        read = one.after(60)
        wall = f"{one.now.astimezone(zone):%H:%M}"
        resting = start <= wall < end if start < end else wall >= start or wall < end
        assert read == (["shelf"] if resting else ["telling", "shelf"]), wall
        assert server.open is not resting
        assert one.health.cycles[-1] == ([], resting)


def test_a_jump_of_the_wall_clock_neither_hurries_nor_delays(world: Callable[..., World]) -> None:
    server = MailServer({})
    one = world(server)
    one.after(0)
    for jump in (timedelta(hours=-1), timedelta(hours=1), timedelta(days=-1), timedelta(days=36_500)):
        one.now = datetime(2026, 3, 2, 12, tzinfo=UTC) + jump
        assert one.after(1) == []
        assert one.after(60) == ["server"]
    one.now = datetime(1970, 1, 1, tzinfo=UTC)
    assert one.after(1) == []
    assert one.after(60) == ["server"]
