"""A mail handed over by SMTP: durable before its 250, and there once whatever dies in between (TRUST.md C1, C4)."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from tests.faults.order import Order
from tests.faults.place import Place, children, environment, mail, make_place, subject
from tests.faults.strace import CALLS, calls
from tests.support.dovecot import free_port
from tests.support.listening import Sender

SENDERS = 4
KILLS = 12
MANY_KILLS = int(os.environ.get("CRM_TEST_KILLS", "200"))
UNTIL_S = 60

LISTENER = """
import sys
from pathlib import Path
from crmservice import bootstrap
bootstrap.prepare()
from crmservice.service import wiring
from crmservice.service.listening import listen
found = wiring.configured(Path(sys.argv[1]))
listen(found.boxes[0], found.settings, lambda: None, Path(sys.argv[1], "stop").exists)
"""

pytestmark = pytest.mark.server


@dataclass
class Post:
    """Senders that deliver mails to a port until each has its 250, and begin again whenever something breaks."""

    port: int
    accepted: list[bytes] = field(default_factory=list)
    broken: int = 0
    _number: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, until: Callable[[], bool]) -> None:
        """Deliver mails by several senders until told to end."""
        threads = [threading.Thread(target=self._send, args=(until,)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(UNTIL_S)

    def _send(self, until: Callable[[], bool]) -> None:
        while not until():
            with self._lock:
                raw = mail(next(self._number))
            self._deliver(raw)

    def _deliver(self, raw: bytes) -> None:
        end = time.monotonic() + UNTIL_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError, AssertionError):
                sender = Sender(self.port)
                try:
                    sender.greet()
                    if sender.deliver(raw).startswith("250"):
                        with self._lock:
                            self.accepted.append(raw)
                        return
                finally:
                    sender.close()
            self.broken += 1
            time.sleep(0.02)


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Place:
    return make_place(template, tmp_path / "home", {"smtpListen": f"127.0.0.1:{free_port()}"})


def port_of(place: Place) -> int:
    return int((place.home / "crm.xml").read_text().partition("127.0.0.1:")[2].partition('"')[0])


def test_a_mail_is_durable_before_its_250(place: Place, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: make servers")
    post = Post(port_of(place))
    trace = tmp_path / "trace"
    listener = [sys.executable, "-c", LISTENER, str(place.home)]
    traced = ["strace", "-f", "-y", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(trace), *listener]
    with subprocess.Popen(traced, env=environment(PYTHONDONTWRITEBYTECODE="1")) as process:
        post.send(lambda: len(post.accepted) >= 60)
        (place.home / "stop").touch()
        assert process.wait(UNTIL_S) == 0
    with trace.open(errors="replace") as lines:
        order = Order().read(calls(lines))
    assert order.wrong == []
    assert len(order.deleted) == len(post.accepted) >= 60


def test_a_mail_is_filed_as_soon_as_it_was_handed_over(place: Place) -> None:
    process = place.start("run")
    try:
        _listener(process.pid, port_of(place))
        _wait(lambda: ("crm",) in place.query("SELECT box FROM crm_lease WHERE holder <> ''"))
        sender = Sender(port_of(place))
        sender.greet()
        assert sender.deliver(mail(1)).startswith("250")
        begun = time.monotonic()
        _wait(lambda: place.activities() == {subject(1): 1})  # else it comes after pollSeconds, five minutes
        print(f"filed after {time.monotonic() - begun:.2f} s")  # noqa: T201 (the figure)
        begun = time.monotonic()
        process.terminate()
        assert sender.reply().startswith("421 4.3.2 ")
        sender.close()
        process.communicate(timeout=UNTIL_S)
        assert process.returncode == 0
        assert time.monotonic() - begun < 10
    finally:
        process.kill()
        process.communicate()


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + UNTIL_S
    while not until():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def test_killed_at_any_moment_it_loses_no_mail_that_had_its_250(place: Place) -> None:
    _kill_often(place, KILLS)


@pytest.mark.slow
def test_killed_hundreds_of_times_it_loses_no_mail_that_had_its_250(place: Place) -> None:
    _kill_often(place, MANY_KILLS)


def _kill_often(place: Place, kills: int) -> None:
    post = Post(port_of(place))
    done = threading.Event()
    sending = threading.Thread(target=post.send, args=(done.is_set,))
    sending.start()
    process = place.start("run")
    try:
        for number in range(kills):
            listener = _listener(process.pid, post.port)
            _wait_for_more(post)
            time.sleep(random.uniform(0.0, 0.1))
            if number % 5 == 4:  # the whole service, else its listener alone
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                process = place.start("run")
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(listener, signal.SIGKILL)
                while Path(f"/proc/{listener}").exists():
                    time.sleep(0.002)
    finally:
        done.set()
        sending.join(UNTIL_S)
        process.terminate()
        process.communicate(timeout=UNTIL_S)
    place.cycle()
    print(f"{kills} kills, {len(post.accepted)} mails, {post.broken} tries without a 250")  # noqa: T201 (the figures)
    assert faults(place, post) == []


def _wait_for_more(post: Post) -> None:
    """Until a mail was accepted: a listener that dies before that is given time by its parent."""
    before, end = len(post.accepted), time.monotonic() + UNTIL_S
    while len(post.accepted) == before and time.monotonic() < end:
        time.sleep(0.002)


def _listener(parent: int, port: int) -> int:
    """The child that listens at this port, as soon as one does (proc(5))."""
    end = time.monotonic() + UNTIL_S
    while time.monotonic() < end:
        listening = f":{port:04X} 00000000:0000 0A"
        inodes = [line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if listening in line]
        for child in children(parent) if inodes else ():
            with contextlib.suppress(OSError):
                if any(str(fd.readlink()) == f"socket:[{inodes[0]}]" for fd in Path(f"/proc/{child}/fd").iterdir()):
                    return child
        time.sleep(0.01)
    raise AssertionError("nobody listens")


def faults(place: Place, post: Post) -> list[str]:
    """What is not as it must be: each accepted mail has a row and one activity; more rows are duplicates."""
    rows = Counter(checksum for checksum, _verdict, _attempts in place.messages())
    activities = place.activities()
    wrong = [subject for raw in post.accepted if rows[sha256(raw).hexdigest()] < 1 for subject in [_subject(raw)]]
    wrong += [f"{name}: {number} activities" for name, number in activities.items() if number != 1]
    wrong += [f"{_subject(raw)}: no activity" for raw in post.accepted if activities[_subject(raw)] != 1]
    wrong += [f"left behind: {path.name}" for path in place.backup() if path.suffix != ".eml"]
    wrong += [
        verdict for _checksum, verdict, _attempts in place.messages() if verdict not in ("processed", "duplicate")
    ]
    return [*wrong, *place.ledger()["differences"]]


def _subject(raw: bytes) -> str:
    return subject(int(raw.partition(b"Subject: Mail ")[2][:5]))
