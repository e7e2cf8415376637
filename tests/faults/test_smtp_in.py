"""A mail handed over by SMTP: durable before its 250, and there once whatever dies in between (TRUST.md C1, C4)."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.order import Order
from tests.faults.place import Place, children, environment, mail, make_place, subject
from tests.faults.senders import SENDERS, UNTIL_S, Post, faults
from tests.faults.strace import CALLS, calls, why_not
from tests.support.dovecot import free_port
from tests.support.listening import Sender

KILLS = 6
MANY_KILLS = int(os.environ.get("CRM_TEST_KILLS", "200"))

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


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Place:
    return make_place(template, tmp_path / "home", {"smtpListen": f"127.0.0.1:{free_port()}"})


def port_of(place: Place) -> int:
    return int((place.home / "crm.xml").read_text().partition("127.0.0.1:")[2].partition('"')[0])


def test_a_mail_is_durable_before_its_250(place: Place, tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    post = Post(port_of(place), SENDERS)
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
    post = Post(port_of(place), SENDERS)
    done = threading.Event()
    sending = threading.Thread(target=post.send, args=(done.is_set,))
    sending.start()
    process = place.start("run")
    try:
        for number in range(kills):
            listener = _listener(process.pid, post.port)
            post.wait_for_more(lambda: False)
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
