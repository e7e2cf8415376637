"""The parent: what ends is started again and told how, what changed is replaced, and at the end nothing is left."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.place import children, environment
from tests.support.home import Home

# The children of this service only note in a file what they were told; each duty is a box's email address.
SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from crmservice.service.child import Before
from crmservice.service.duties import Duty
from crmservice.service.manager import Manager

home = Path(sys.argv[1])
threads = sys.argv[2:] == ["threads"]

def note(name, text):
    with (home / f"{name}.notes").open("a") as file:
        file.write(text + "\\n")

def kind(plan):
    for name, box in plan.configuration.found.boxes.items():
        def work(life, name=name, box=box, wake=plan.wake(name)):
            life.stop.listen()
            note(name, f"{box.email} {life.before.value} {os.getpid()}")
            deed = home / f"{name}.deed"
            if deed.exists():
                what = deed.read_text()
                if what != "stay":
                    deed.unlink()
                if what == "bad":
                    return 78
                if what == "stay":
                    time.sleep(60)
            while not life.stop():
                wake.wait(60)
            note(name, "ended")
            return 0
        yield Duty(f"box {name}", box, work, plan.wake(name))

def say(words, fault):
    if fault:
        print(words, flush=True)

manager = Manager(home, say, lambda work: work(), kinds=[kind], threads=threads, look=0.1)
print("made", flush=True)
sys.exit(manager.run())
"""


class Seen:
    """A service at work in a home with a box ``one``, seen by what its children noted."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def notes(self, name: str = "one") -> list[str]:
        """What the children of this box noted, without their numbers."""
        return [" ".join(line.split()[:2]) for line in self._lines(name)]

    def pid(self, name: str = "one") -> int:
        """The number of the child that noted last that it began."""
        return int([line for line in self._lines(name) if line != "ended"][-1].split()[2])

    def _lines(self, name: str) -> list[str]:
        file = self.home.folder / f"{name}.notes"
        return file.read_text().splitlines() if file.exists() else []

    def until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not happened():
            assert time.monotonic() < end, {file.name: file.read_text() for file in self.home.folder.glob("*.notes")}
            time.sleep(0.01)


class Service(Seen):
    """The service at work as a process of ours."""

    def __init__(self, home: Home, *arguments: str) -> None:
        super().__init__(home)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(home.folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Tell it to end; its code and what it said."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.box({"pop3Email": "one@firma.cz"}, "one.xml")
    return home


@contextmanager
def running(home: Home, *arguments: str) -> Iterator[Service]:
    service = Service(home, *arguments)
    try:
        service.until(lambda: service.notes() != [])
        yield service
    finally:
        if not service.process.stdout.closed:  # type: ignore[union-attr]
            service.process.kill()
            service.process.communicate()


def log(home: Home) -> list[str]:
    """The lines of the log, less level and time."""
    return [line.split(maxsplit=3)[3] for line in (home.folder / "CRMService.log").read_text().splitlines()]


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("arguments", [(), ("threads",)], ids=["processes", "threads"])
def test_asked_to_end_the_children_end_their_work(home: Home, arguments: tuple[str, ...]) -> None:
    home.box({"pop3Email": "two@firma.cz"}, "two.xml")
    with running(home, *arguments) as service:
        service.until(lambda: service.notes("two") != [])
        assert service.end() == (0, "made\n")
        assert service.notes() == ["one@firma.cz nothing", "ended"]
        assert service.notes("two") == ["two@firma.cz nothing", "ended"]


@pytest.mark.parametrize(("number", "told"), [(signal.SIGKILL, "killed"), (signal.SIGSEGV, "died")])
def test_a_child_that_dies_is_followed_by_one_that_knows(home: Home, number: signal.Signals, told: str) -> None:
    with running(home) as service:
        os.kill(service.pid(), number)
        service.until(lambda: len(service.notes()) == 2)
        assert service.notes()[1] == f"one@firma.cz {told}"
        code, said = service.end()
        assert code == 0
        assert f"box one has ended (signal {number.name}); it is started again" in said


def test_only_the_box_that_changed_is_replaced(home: Home) -> None:
    home.box({"pop3Email": "two@firma.cz"}, "two.xml")
    with running(home) as service:
        service.until(lambda: service.notes("two") != [])
        home.box({"pop3Email": "new@firma.cz"}, "one.xml")
        service.until(lambda: len(service.notes()) == 3)
        assert service.notes() == ["one@firma.cz nothing", "ended", "new@firma.cz nothing"]
        assert service.end() == (0, "made\n")
        assert service.notes("two") == ["two@firma.cz nothing", "ended"]
        assert log(home) == ["box one: its files changed, and it begins anew"]


def test_a_bad_file_changes_nothing_and_is_said_once(home: Home) -> None:
    with running(home) as service:
        home.raw("<broken", "one.xml")
        time.sleep(1)
        code, said = service.end()
        assert code == 0
        assert said.count("one.xml:1: is not well-formed XML") == 1
        assert service.notes() == ["one@firma.cz nothing", "ended"]


def test_boxes_come_and_go(home: Home) -> None:
    with running(home) as service:
        home.box({"pop3Email": "two@firma.cz"}, "two.xml")
        service.until(lambda: service.notes("two") == ["two@firma.cz nothing"])
        (home.folder / "one.xml").unlink()
        service.until(lambda: service.notes() == ["one@firma.cz nothing", "ended"])
        service.until(lambda: len(children(service.process.pid)) == 1)
        home.box({"pop3Email": "one@firma.cz"}, "one.xml")
        service.until(lambda: len(service.notes()) == 3)
        service.end()
        assert log(home) == [
            "box two: it is new, and begins", "box one: its file is gone, and it ends", "box one: it is new, and begins",
        ]  # fmt: skip


def test_sighup_reads_even_what_looks_the_same(home: Home) -> None:
    secret = home.folder / "password"
    secret.write_text("first")
    keys: dict[str, str | list[str]] = {
        "pop3Email": "one@firma.cz", "pop3Url": "mail.firma.cz", "pop3Password": f"file:{secret}",
    }  # fmt: skip
    home.box(keys, "one.xml")
    with running(home) as service:
        secret.write_text("second")
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: len(service.notes()) == 3)
        assert service.notes() == ["one@firma.cz nothing", "ended", "one@firma.cz nothing"]
        service.end()


def test_in_a_window_that_is_closed_it_ends(home: Home) -> None:
    child, window = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", SCRIPT, str(home.folder)], environment())
    service = Seen(home)
    service.until(lambda: service.notes() != [])
    os.kill(child, signal.SIGHUP)  # somebody else's: a wish to read the files
    time.sleep(0.5)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    os.close(window)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert service.notes() == ["one@firma.cz nothing", "ended"]


def test_a_child_that_says_that_the_configuration_is_bad_ends_the_service(home: Home) -> None:
    (home.folder / "one.deed").write_text("bad")
    home.box({"pop3Email": "two@firma.cz"}, "two.xml")
    with running(home) as service:
        service.process.communicate(timeout=30)
        assert service.process.returncode == 78


@pytest.mark.slow
def test_a_child_that_does_not_end_is_killed_within_ten_seconds(home: Home) -> None:
    (home.folder / "one.deed").write_text("stay")
    with running(home) as service:
        begun = time.monotonic()
        pid = service.pid()
        code, _said = service.end()
        assert code == 0
        assert time.monotonic() - begun < 10
        assert gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_no_child_outlives_the_service(home: Home) -> None:
    with running(home) as service:
        pid = service.pid()
        service.process.kill()
        service.process.communicate()
        service.until(lambda: gone(pid))
