"""Somebody else is in the way: another instance, a signal, a locked database, a full disk (TRUST.md C5, C7, C19)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crmservice import bootstrap
from tests.faults.place import Place, children, mail
from tests.support.stub import Pop3Stub, Talk, serve

MAILS = 200


def _fill(folder: Path, place: Place, count: int = MAILS) -> None:
    for number in range(count):
        raw = mail(number)
        (folder / f"{number:04}.eml").write_bytes(raw)
        place.sent.append(raw)


def _wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it never came so far"
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)


# Another instance


def _slow_server(release: threading.Event) -> Callable[[Talk], None]:
    """A POP3 server that keeps its client waiting before it lets it in."""
    stub = Pop3Stub([])

    def handle(talk: Talk) -> None:
        release.wait(60)
        stub(talk)

    return handle


@pytest.fixture
def held(on_folder: Place) -> Iterator[tuple[Place, subprocess.Popen[str], threading.Event]]:
    """A home at work: its server keeps it waiting until the event is set."""
    release = threading.Event()
    with serve(_slow_server(release)) as (port, _received):
        _talk_to(on_folder, port)
        first = on_folder.start("run", "--once")
        lock = on_folder.home / ".crmservice" / "crm.lock"
        _wait_for(lambda: lock.exists() and lock.read_text() != "", first)
        yield on_folder, first, release
        release.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
        with first:
            first.wait(10)


def _talk_to(place: Place, port: int) -> None:
    """Let the home's box fetch from this stub too."""
    file = place.home / "crm.xml"
    keys = {"pop3Url": f"127.0.0.1:{port}", "pop3Name": "crm", "pop3Password": "secret"}
    lines = "".join(f'<add key="{key}" value="{value}" />' for key, value in keys.items())
    file.write_text(file.read_text().replace("</appSettings>", f"{lines}</appSettings>"))


def test_a_second_instance_says_who_works_on_the_box(
    held: tuple[Place, subprocess.Popen[str], threading.Event],
) -> None:
    place, first, _release = held
    said = place.cycle(code=75)
    assert re.search(r"box crm: process (\d+) on \S+ since \d{4}-\d\d-\d\d", said), said
    assert any(f"process {pid} " in said for pid in [first.pid, *children(first.pid)])


def test_a_killed_instance_leaves_the_box_free(held: tuple[Place, subprocess.Popen[str], threading.Event]) -> None:
    place, first, release = held
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(10)
    release.set()
    said = place.cycle(code=75)  # the stub speaks no TLS: the box could not be read, and nobody holds it
    assert "works on it" not in said


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_ends_and_blames_no_mail(number: int, on_folder: Place, tmp_path: Path) -> None:
    _fill(tmp_path / "in", on_folder, 1000)
    process = on_folder.start("run", "--once")
    _wait_for(lambda: len(on_folder.log()) >= 50, process)
    os.killpg(process.pid, number)  # as Ctrl-C and systemd do: parent and worker both hear it
    said, _ = process.communicate(timeout=20)
    assert "Traceback" not in said
    assert process.returncode in (0, 75, 128 + number)
    filed = [verdict for _checksum, verdict, _attempts in on_folder.messages() if verdict]
    assert 50 <= len(filed) < 1000, "it was to be stopped in the middle"
    assert {attempts for _checksum, verdict, attempts in on_folder.messages() if not verdict} <= {0}
    on_folder.cycle()
    assert on_folder.faults() == []


# The database


def test_a_database_that_is_locked_for_a_while_is_waited_for(on_folder: Place, tmp_path: Path) -> None:
    _fill(tmp_path / "in", on_folder)
    with _locked(on_folder.home / "crmservice.db") as unlock:
        process = on_folder.start("run", "--once")
        time.sleep(3)
        assert process.poll() is None
        unlock()
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert on_folder.faults() == []


@pytest.mark.slow
def test_a_database_that_stays_locked_sets_nothing_aside(on_folder: Place, tmp_path: Path) -> None:
    _fill(tmp_path / "in", on_folder)
    with _locked(on_folder.home / "crmservice.db"):
        assert "database is locked" in on_folder.cycle(code=75)
    assert len(list((tmp_path / "in").iterdir())) == MAILS
    on_folder.cycle()
    assert on_folder.faults() == []


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[Callable[[], None]]:
    """Hold the database's only right to write, until the function given is called."""
    bootstrap.prepare()
    import sqlite3

    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection.rollback
    finally:
        connection.close()


# The disk


def test_a_log_that_can_not_be_written_keeps_no_mail_from_being_filed(on_folder: Place, tmp_path: Path) -> None:
    _fill(tmp_path / "in", on_folder)
    (on_folder.home / "CRMService.log").symlink_to("/dev/full")
    on_folder.cycle()
    assert on_folder.faults() == []


@pytest.fixture(params=["all", "backup", "database"])
def small(request: pytest.FixtureRequest, on_folder: Place) -> Iterator[tuple[Place, Path]]:
    """A home on a disk that is too small, or its backup alone, or all but its backup; and that disk."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    where = on_folder.home / "POP3Downloads" if request.param == "backup" else on_folder.home
    kept = Place(on_folder.home)
    with _mounted(where, "3m" if request.param != "backup" else "64k") as disk:
        if request.param == "database":
            outside = on_folder.home.parent / "backup"
            outside.mkdir()
            (on_folder.home / "POP3Downloads").symlink_to(outside)
        yield kept, disk


@contextlib.contextmanager
def _mounted(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs in the place of a folder, with what was in it."""
    folder.mkdir(exist_ok=True)
    content = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine mounts no tmpfs")
    try:
        for file, data in content.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_nothing_is_lost_and_with_space_all_is_filed(small: tuple[Place, Path], tmp_path: Path) -> None:
    place, disk = small
    _fill(tmp_path / "in", place, 1500)
    said = place.cycle(code=75)
    assert "Traceback" not in said
    kept = {raw for raw in place.sent if raw in _contents(place)}
    still = {file.read_bytes() for file in (tmp_path / "in").iterdir()}
    assert kept | still == set(place.sent)
    assert still, "the disk was to be too small"
    place.cycle(code=75)  # and again on the full disk
    subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
    place.cycle()
    assert place.faults() == []


def _contents(place: Place) -> set[bytes]:
    return {path.read_bytes() for path in place.backup() if path.suffix == ".eml"}
