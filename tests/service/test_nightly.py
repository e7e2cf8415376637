"""The nightly work: everything is verified, whatever is damaged or missing is found, and told (TRUST.md C25)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from crmservice.backup.in_flight import InFlight
from crmservice.config import Box, Endpoint, Login, Secret, Settings
from crmservice.config.values import Retention
from crmservice.service import expiry, nightly
from crmservice.service.log import ServiceLog
from crmservice.service.running import Running
from crmservice.service.scheduled import Context, Scheduled
from crmservice.service.verifying import differences
from crmservice.store import bulk, jobs, tables
from crmservice.testing.builders import COMPANY, eml
from tests.service.desk import NOON, Desk
from tests.store.conftest import empty_sqlite, home, server
from tests.support.stub import Pop3Stub, serve

__all__ = ["empty_sqlite", "home", "server"]


@pytest.fixture
def desk(home: Path) -> Desk:
    tables.load(COMPANY)
    desk = Desk(home)
    desk.put(*(eml(f"text {n}", subject=f"s{n}", message_id=f"{n}@x") for n in range(20)))
    desk.take()
    desk.file()
    return desk


def night(
    desk: Desk, job: Scheduled, now: datetime = NOON, boxes: tuple[Box, ...] = (), **settings: Any
) -> jobs.Last | None:
    """One job as the keeper runs it; what is written of it."""
    given = Settings(desk.home, **settings)
    log = ServiceLog(desk.home, given.zone, lambda: now)
    running = Running(
        job, Context(given, log, lambda: now, lambda: boxes), lambda _what, fault: pytest.fail(str(fault))
    )
    running.look(mine=True)
    running.join(60)
    return jobs.read(job.name)


def matters() -> dict[str, str]:
    """Kind -> facts of every notice that waits."""
    return dict(bulk.query("SELECT kind, facts FROM crm_notice"))


def test_a_night_finds_nothing_where_nothing_is_wrong(desk: Desk) -> None:
    last = night(desk, nightly.VERIFY)
    assert last is not None
    assert (last.ok, last.result) == (True, {"messages": 20, "differences": 0, "away": 0, "waiting": {}})
    assert matters() == {}


def test_a_box_in_its_pause_is_not_contacted_and_is_listed_later(desk: Desk) -> None:
    login = Login("crm", Secret("x"))
    with serve(Pop3Stub([eml("waits")])) as (port, received):
        pop3 = Endpoint("127.0.0.1", port, "plain")
        box = Box("crm", "crm@firma.cz", pop3=pop3, pop3_login=login, stop_from=time(11), stop_to=time(13), zone=UTC)
        for job in (nightly.VERIFY, nightly.MAILBOXES, expiry.WATCH):
            last = night(desk, job, boxes=(box,))
            assert last is not None
            assert last.ok
        assert received == b""
        last = night(desk, nightly.MAILBOXES, NOON + timedelta(days=1, hours=3), boxes=(box,))
    assert last is not None
    assert last.result["waiting"] == {"crm pop3": ["uid1"]}


def test_what_is_missing_and_what_is_damaged_is_told(desk: Desk) -> None:
    missing, flipped, *_ = sorted(desk.home.rglob("*.eml"))
    missing.unlink()
    flip(flipped, random.Random(1))
    last = night(desk, nightly.VERIFY)
    assert last is not None
    assert last.result["differences"] == 2
    told = matters()
    assert (missing.name in told["ledger-difference"], flipped.name in told["verify"]) == (True, True)


def test_it_comes_once_a_night_at_the_homes_time(desk: Desk) -> None:
    job = replace(nightly.VERIFY, run=lambda _context: {})
    assert night(desk, job, nightly=time(2, 30), zone=UTC) is not None
    for hours, again in ((13, False), (15, True)):
        now = NOON + timedelta(hours=hours)
        last = night(desk, job, now, nightly=time(2, 30), zone=UTC)
        assert last is not None
        assert (last.began == now) is again


def test_retention_and_backup_are_off_where_nothing_is_set(desk: Desk) -> None:
    for job in (nightly.RETAIN, nightly.BACK_UP):
        last = night(desk, job)
        assert last is not None
        assert (last.ok, last.result) == (True, {})
    assert len(list(desk.home.rglob("*.eml"))) == 20


def test_retention_and_backup_do_what_is_set(desk: Desk, tmp_path: Path) -> None:
    last = night(desk, nightly.BACK_UP, backup_to=tmp_path / "kept")
    assert last is not None
    assert (last.ok, last.result["messages"]) == (True, 20)
    night(desk, nightly.RETAIN, NOON + timedelta(days=9), retention=Retention(backups=8))
    assert list((desk.home / "POP3Downloads").rglob("*.eml")) == []
    assert len(list((tmp_path / "kept").rglob("*.eml"))) == 20
    night(desk, nightly.BACK_UP, NOON + timedelta(days=10), backup_to=tmp_path / "kept")
    assert list(desk.home.rglob("*.eml")) == []  # it goes from the backup with the next night


def test_a_backup_that_fails_is_told(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    context = Context(
        Settings(desk.home, backup_to=tmp_path / "file"), ServiceLog(desk.home, UTC, lambda: NOON), lambda: NOON, tuple
    )
    with pytest.raises(Exception, match="can't be backed up"):
        nightly.back_up(context)
    assert "file" in matters()["backup"]


def test_it_ends_with_the_service(desk: Desk) -> None:
    log = ServiceLog(desk.home, UTC, lambda: NOON)
    context = Context(Settings(desk.home), log, lambda: NOON, tuple, lambda: True)
    with pytest.raises(nightly.Stopped):
        nightly.verify(context)


def flip(file: Path, rng: random.Random) -> None:
    """Turn one bit of a file over."""
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def round_of(desk: Desk, rng: random.Random) -> tuple[set[tuple[str, str]], Callable[[], None]]:
    """Spoil the store in one of its ways; what verify must say (kind, path), and how it is mended."""
    files = sorted(desk.home.rglob("*.eml"))
    spoilt = rng.sample(files, 2)
    kept = {file: file.read_bytes() for file in spoilt}
    missing, flipped = spoilt
    missing.unlink()
    flip(flipped, rng)
    orphan = missing.with_name(f"orphan-{rng.randrange(10**9)}.eml")
    orphan.write_bytes(b"a crash before the row")

    def mend() -> None:
        orphan.unlink()
        for file, data in kept.items():
            file.write_bytes(data)

    def path(file: Path) -> str:
        return file.relative_to(desk.home).as_posix()

    kinds = (("row-without-file", missing), ("checksum", flipped), ("file-without-row", orphan))
    return {(kind, path(file)) for kind, file in kinds}, mend


@pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_every_missing_and_every_flipped_file_is_found_and_no_other(desk: Desk, rounds: int) -> None:
    backup = desk.filing().backup
    rng = random.Random(25)
    for _ in range(rounds):
        expected, mend = round_of(desk, rng)
        found = {(one.kind, one.about) for one in differences(backup, desk.home, quick=False)}  # type: ignore[arg-type]
        assert found == expected
        mend()
    assert list(differences(backup, desk.home, quick=False)) == []  # type: ignore[arg-type]


def test_an_orphan_is_named_and_never_removed(desk: Desk) -> None:
    orphan = next(desk.home.rglob("*.eml")).with_name("orphan.eml")
    orphan.write_bytes(b"perhaps the last copy")
    night(desk, nightly.VERIFY)
    night(desk, nightly.RETAIN, NOON + timedelta(days=900), retention=Retention(1, 1, 1))
    assert orphan.is_file()


def test_a_file_that_is_on_its_way_is_no_difference(desk: Desk) -> None:
    backup = desk.filing().backup
    backup.keep([b"on its way"], NOON.date())  # type: ignore[attr-defined]
    assert list(differences(backup, desk.home, quick=False)) == []  # type: ignore[arg-type]
    InFlight(desk.home, "crm").end()
    assert [one.kind for one in differences(backup, desk.home, quick=False)] == ["file-without-row"]  # type: ignore[arg-type]
