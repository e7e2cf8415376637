"""A database that is away, or a full disk, is mailed directly: nothing can be written down then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crmservice.mail import own_notice
from crmservice.mail.parsing import parse
from crmservice.service import wiring
from crmservice.service.alarm import Alarm
from crmservice.service.jobs import JOBS
from crmservice.service.log import ServiceLog
from crmservice.service.room import watch as look_at_room
from crmservice.service.scheduled import Context
from crmservice.service.troubles import LOW_DISK_BYTES, disk_of
from crmservice.store import database, jobs, keys, notices
from tests.notices.sinks import Sink, sink
from tests.notices.test_outbox import body, subjects
from tests.service.test_listening import small_disk
from tests.support.home import Home

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def tell(home: Path, port: int, to: str = "spravce@firma.cz", name: str = "crm.xml") -> None:
    keys = {"pop3Email": "crm@firma.cz", "errorFrom": "crm@firma.cz", "errorTo": to}
    Home(home).box({**keys, "smtpServer": f"127.0.0.1:{port}"}, name)


def context(home: Path, clock: Clock) -> Context:
    found = wiring.configured(home)
    log = ServiceLog(home, found.settings.zone, clock)
    return Context(found.settings, log, clock, lambda: found.boxes)


def mails(alarm: Alarm, where: Context, clock: Clock, minutes: int) -> int:
    """Look every minute; how many mails went."""
    sent = 0
    for _ in range(minutes):
        sent += int(str(alarm(where)["mails"]))
        clock.now += MINUTE
    return sent


@pytest.fixture
def away(home: Path, tmp_path: Path) -> Callable[[], None]:
    """Takes the database away; the key for our own mail was made before."""
    keys.secret("notice")

    def take() -> None:
        database.connect(home, f"sqlite:///{tmp_path}/nowhere/crm.db")

    return take


def test_a_database_that_is_away_is_mailed_after_two_minutes_and_every_hour(
    home: Path, away: Callable[[], None]
) -> None:
    clock, alarm = Clock(), Alarm()
    with sink() as taken:
        tell(home, taken.port)
        where = context(home, clock)
        assert mails(alarm, where, clock, 5) == 0
        away()
        assert [mails(alarm, where, clock, 2), mails(alarm, where, clock, 1)] == [0, 1]
        assert [mails(alarm, where, clock, 59), mails(alarm, where, clock, 1)] == [0, 1]
        assert mails(Alarm(), where, clock, 50) == 0  # another process, or this service started anew
        database.connect(home)
        assert mails(alarm, where, clock, 5) == 0
    assert subjects(taken) == ["CRMService: the database is not available"] * 2
    said = body(taken.mails[0].content)
    for words in ("unable to open database file", "Since:", "What is affected:", "What to do:"):
        assert words in said
    raw = taken.mails[0].content
    assert isinstance(raw, bytes)
    assert own_notice.is_ours(parse(raw), keys.secret("notice"))
    assert not [one for one in jobs.read_all() if not one.ok]


def test_everybody_is_told_once_and_a_dead_mail_server_keeps_it_from_nobody(
    home: Path, away: Callable[[], None]
) -> None:
    clock = Clock()
    with sink() as first, sink(Sink(data="554 no")) as refusing:
        tell(home, first.port, "a@firma.cz", "a.xml")
        tell(home, first.port, "a@firma.cz", "b.xml")
        tell(home, refusing.port, "c@firma.cz", "c.xml")
        where = context(home, clock)
        away()
        assert mails(Alarm(), where, clock, 30) == 1
    assert [mail.rcpt_tos for mail in first.mails] == [["a@firma.cz"]]
    assert "a notice could not be sent" in (home / "CRMService.log").read_text()


def test_a_full_disk_is_mailed_as_that(new_home: Callable[[], Path], tmp_path: Path) -> None:
    clock = Clock()
    full = new_home()
    keys.secret("notice")
    with small_disk(tmp_path / "disk", "2m") as disk, sink() as taken:
        (disk / "crm.db").write_bytes((full / database.FILE).read_bytes())
        tell(full, taken.port)
        where = context(full, clock)
        database.connect(full, f"sqlite:///{disk}/crm.db")
        alarm = Alarm()
        assert mails(alarm, where, clock, 1) == 0
        with (disk / "filling").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 1000)
        assert mails(alarm, where, clock, 30) == 1
        database.disconnect()
    assert subjects(taken) == ["CRMService: the disk is full"]


def test_little_room_is_noted(home: Path, tmp_path: Path) -> None:
    where = context(home, Clock())
    enough = disk_of(home).free >= LOW_DISK_BYTES
    look_at_room(where)
    assert bool(notices.listed()) != enough
    with small_disk(tmp_path / "disk") as disk:
        database.connect(home)
        Home(disk).box({"pop3Email": "crm@firma.cz"})
        look_at_room(context(disk, Clock()))
    assert notices.listed()[0].facts["free"] == "0 MiB"


def test_the_keeper_looks_while_the_database_is_away_too() -> None:
    (alarm,) = [job for job in JOBS if job.name == "alarm"]
    assert (alarm.bare, alarm.noted, alarm.alone) == (True, False, False)
