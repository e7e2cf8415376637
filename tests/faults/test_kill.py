"""kill -9 of the real commands at any moment, against a real server (TRUST.md C1)."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.faults.fixtures import Figures
from tests.faults.place import Place, children, mail
from tests.faults.scene import FRUITLESS
from tests.faults.warm import wait_until

WAITING = 200
"""Mails in the mailbox whenever a run begins."""

KILLS = 4
MANY_KILLS = int(os.environ.get("CRM_TEST_KILLS", "100"))
COMMANDS = (("run",), ("run", "--once"))

pytestmark = pytest.mark.server


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_killed_at_any_moment_it_files_each_mail_once(
    protocol: str, on_dovecot: Callable[[str], Place], figures: Figures
) -> None:
    figures("C1", _kill_often(on_dovecot(protocol), KILLS))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_killed_a_hundred_times_it_files_each_mail_once(
    protocol: str, on_dovecot: Callable[[str], Place], figures: Figures
) -> None:
    figures("C1", _kill_often(on_dovecot(protocol), MANY_KILLS))


def _kill_often(place: Place, kills: int) -> str:
    hits = fruitless = filed = 0
    while hits < kills:
        _top_up(place)
        before, filed = filed, _filed(place)
        fruitless = fruitless + 1 if filed == before else 0
        least = filed + 1 if fruitless > FRUITLESS else 0
        hits += _killed(place, random.choice(COMMANDS), random.choice(_WAYS), random.uniform(0, 1), least)
    place.cycle()
    assert "\n".join(place.faults()) == ""
    return f"the command, Dovecot: {hits} kills, {len(place.sent)} mails, 0 faults"


def _top_up(place: Place) -> None:
    assert place.server is not None
    missing = WAITING - len(place.server.left())
    place.deliver([mail(len(place.sent) + n) for n in range(missing)])


def _filed(place: Place) -> int:
    return sum(bool(verdict) for _checksum, verdict, _attempts in place.messages())


def _killed(
    place: Place, command: tuple[str, ...], way: Callable[[subprocess.Popen[str]], None], after: float, least: int
) -> bool:
    """Start a command and kill it so many seconds after it began its work and at least so many mails are filed.

    False if it was done before.
    """
    lease = place.home / ".crmservice" / "crm.lock"
    lease.unlink(missing_ok=True)
    process = place.start(*command)
    try:
        wait_until(lambda: process.poll() is not None or (lease.exists() and lease.read_text() != ""), 60)
        wait_until(lambda: process.poll() is not None or _filed(place) >= least, 60)
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        way(process)
        return True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _whole_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def _parent_alone(process: subprocess.Popen[str]) -> None:
    workers = children(process.pid)
    process.kill()
    _gone(workers)


def _workers_alone(process: subprocess.Popen[str]) -> None:
    """The parent starts others, which work for a moment."""
    for worker in children(process.pid):
        with contextlib.suppress(ProcessLookupError):  # some of a service's children live for a moment
            os.kill(worker, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(random.uniform(0, 0.5))


_WAYS = (_whole_group, _parent_alone, _workers_alone)


def _gone(pids: Iterable[int]) -> None:
    """Workers die with their parent."""
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.005)
