"""The background service under faults: boxes do not wait for each other, whatever dies comes back, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place, children, mail
from tests.support.home import Home
from tests.support.stub import Talk, serve


class Service:
    """``crmservice run`` in a home."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.process = place.start("run")

    def until(self, happened: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < end, "\n".join(self.place.log())
            time.sleep(0.02)

    def state(self, box: str) -> str:
        """How a box fares, "" where nobody said yet."""
        with contextlib.suppress(Exception):
            return dict(self.place.query("SELECT box, state FROM crm_box_state")).get(box, "")  # type: ignore[no-any-return]
        return ""

    def filed(self) -> int:
        return len([verdict for _checksum, verdict, _attempts in self.place.messages() if verdict])

    def end(self) -> str:
        """As systemd ends it; within ten seconds."""
        begun = time.monotonic()
        self.process.terminate()
        said, _ = self.process.communicate(timeout=30)
        assert time.monotonic() - begun < 10
        assert self.process.returncode == 0, said
        return said


@pytest.fixture
def service() -> Iterator[Callable[[Place], Service]]:
    started: list[Service] = []

    def start(place: Place) -> Service:
        started.append(Service(place))
        return started[-1]

    yield start
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        if one.process.stdout is not None and not one.process.stdout.closed:
            one.process.communicate()


def drop(place: Place, folder: Path, count: int = 1) -> None:
    """Put mail into an import folder, as a program that knows how to."""
    for _ in range(count):
        raw = mail(len(place.sent))
        part = folder / f"{len(place.sent):05}.part"
        part.write_bytes(raw)
        part.rename(part.with_suffix(".eml"))
        place.sent.append(raw)


# Boxes do not wait for each other (C8, C9)


def _silent(release: threading.Event) -> Callable[[Talk], None]:
    """Accepts, and never answers."""

    def handle(_talk: Talk) -> None:
        release.wait(60)

    return handle


def _dripping(release: threading.Event) -> Callable[[Talk], None]:
    """Sends one byte in a while, for ever: the beginning of a record of TLS."""

    def handle(talk: Talk) -> None:
        talk.raw(b"\x16\x03\x03\x40\x00")
        while not release.wait(0.5):
            talk.raw(b"\x02")

    return handle


def _cutting(_release: threading.Event) -> Callable[[Talk], None]:
    """Ends every connection at once."""
    return lambda _talk: None


def test_a_server_that_is_stuck_delays_no_other_box(
    on_folder: Place, tmp_path: Path, service: Callable[[Place], Service]
) -> None:
    release = threading.Event()
    with contextlib.ExitStack() as servers:
        for name, kind in (("silent", _silent), ("dripping", _dripping), ("cutting", _cutting)):
            port, _received = servers.enter_context(serve(kind(release)))
            servers.callback(release.set)
            keys = {"pop3Email": f"{name}@firma.cz", "imapUrl": f"127.0.0.1:{port}", "imapPassword": "x"}
            Home(on_folder.home).box(keys, f"{name}.xml")  # type: ignore[arg-type]
        running = service(on_folder)
        running.until(lambda: running.state("crm") == "ok")
        running.until(lambda: running.state("cutting") == "failing")
        for count in range(1, 4):
            drop(on_folder, tmp_path / "in")
            running.until(lambda count=count: running.filed() == count, 20)  # type: ignore[misc]
        assert running.state("silent") == ""  # still waiting for its first word
        said = running.end()
    assert "Traceback" not in said
    for name in ("silent", "dripping", "cutting"):
        (on_folder.home / f"{name}.xml").unlink()
    assert on_folder.faults() == []


# What dies comes back


def test_workers_that_are_killed_again_and_again_lose_nothing_and_blame_no_mail(
    on_folder: Place, tmp_path: Path, service: Callable[[Place], Service]
) -> None:
    running = service(on_folder)
    chance = random.Random(7)
    running.until(lambda: running.state("crm") == "ok")
    for _ in range(int(os.environ.get("CRM_TEST_WORKER_KILLS", "6"))):
        drop(on_folder, tmp_path / "in", 40)
        time.sleep(chance.uniform(0, 0.4))
        for child in children(running.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
    running.until(lambda: running.filed() == len(on_folder.sent), 120)
    running.end()
    assert on_folder.faults() == []


def test_killed_itself_it_leaves_no_child_and_the_next_one_goes_on(
    on_folder: Place, tmp_path: Path, service: Callable[[Place], Service]
) -> None:
    running = service(on_folder)
    running.until(lambda: running.state("crm") == "ok")
    drop(on_folder, tmp_path / "in", 300)
    running.until(lambda: running.filed() > 0)
    left = children(running.process.pid)
    running.process.kill()
    running.process.communicate()
    assert left
    end = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in left):
        assert time.monotonic() < end
        time.sleep(0.01)
    again = service(on_folder)
    again.until(lambda: again.filed() == 300)
    again.end()
    assert on_folder.faults() == []


def test_asked_to_end_in_the_midst_of_work_it_finishes_the_mail_at_hand(
    on_folder: Place, tmp_path: Path, service: Callable[[Place], Service]
) -> None:
    running = service(on_folder)
    running.until(lambda: running.state("crm") == "ok")
    drop(on_folder, tmp_path / "in", 1000)
    running.until(lambda: running.filed() >= 50)
    running.end()
    filed = [(verdict, attempts) for _checksum, verdict, attempts in on_folder.messages()]
    assert 50 <= len([1 for verdict, _attempts in filed if verdict]) < 1000, "it was to be stopped in the middle"
    assert {attempts for verdict, attempts in filed if not verdict} <= {0}
    on_folder.cycle()
    assert on_folder.faults() == []


@pytest.mark.server
@pytest.mark.parametrize("protocol", ["imap", pytest.param("pop3", marks=pytest.mark.slow)])
def test_mail_on_a_real_server_is_filed_without_a_restart(
    protocol: str, on_dovecot: Callable[[str], Place], service: Callable[[Place], Service]
) -> None:
    place = on_dovecot(protocol)
    box = place.home / "crm.xml"
    if protocol == "pop3":  # which tells of nothing by itself
        box.write_text(box.read_text().replace("</appSettings>", '<add key="pollSeconds" value="1" /></appSettings>'))
    running = service(place)
    running.until(lambda: running.state("crm") == "ok")
    for count in (1, 2):
        place.deliver([mail(len(place.sent))])
        running.until(lambda count=count: running.filed() == count)  # type: ignore[misc]
    running.until(lambda: place.server is not None and place.server.left() == [])
    running.end()
    assert place.faults() == []


@pytest.mark.slow
def test_a_second_service_waits_for_the_first(
    on_folder: Place, tmp_path: Path, service: Callable[[Place], Service]
) -> None:
    first = service(on_folder)
    first.until(lambda: first.state("crm") == "ok")
    second = service(on_folder)
    second.until(lambda: any("works on it" in line for line in on_folder.log()))
    first.end()
    drop(on_folder, tmp_path / "in", 3)
    second.until(lambda: second.filed() == 3)
    said = second.end()
    assert said.count("works on it") == 1
    assert on_folder.faults() == []
