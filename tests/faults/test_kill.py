"""kill -9 at any moment: nothing is lost and nothing is there twice (TRUST.md C1)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.place import Place, children, mail

WAITING = 200
"""Mails in the mailbox whenever a run begins."""

KILLS = 25
MANY_KILLS = int(os.environ.get("CRM_TEST_KILLS", "200"))

pytestmark = pytest.mark.server


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_killed_at_any_moment_it_files_each_mail_once(protocol: str, on_dovecot: Callable[[str], Place]) -> None:
    _kill_often(on_dovecot(protocol), KILLS // 2 + 1)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_killed_hundreds_of_times_it_files_each_mail_once(protocol: str, on_dovecot: Callable[[str], Place]) -> None:
    _kill_often(on_dovecot(protocol), MANY_KILLS // 2)


def _kill_often(place: Place, kills: int) -> None:
    left: Counter[str] = Counter()
    hits = 0
    while hits < kills:
        _top_up(place)
        hits += _killed(place, random.choice(_WAYS), random.uniform(0.1, 1.1))
        left += _half_done(place)
    place.cycle()
    print(f"{hits} kills, {len(place.sent)} mails; left behind by the kills: {dict(left)}")  # noqa: T201 (the figures)
    assert "\n".join(place.faults()) == ""


def _top_up(place: Place) -> None:
    assert place.server is not None
    missing = WAITING - len(place.server.left())
    place.deliver([mail(len(place.sent) + n) for n in range(missing)])


def _half_done(place: Place) -> Counter[str]:
    """What a kill found unfinished."""
    waiting = [attempts for _checksum, verdict, attempts in place.messages() if not verdict]
    names = Counter(path.name for path in place.backup())
    kept = len([name for name in names if name.endswith(".eml")])
    return Counter(
        waiting=len(waiting),
        attempted=sum(attempts > 0 for attempts in waiting),
        temporary=len(names) - kept,
        without_row=kept - len(place.messages()),
    )


def _killed(place: Place, way: Callable[[subprocess.Popen[str]], None], after: float) -> bool:
    """Start a run and kill it; False if it was done before."""
    process = place.start("run", "--once")
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        way(process)
        process.communicate(timeout=120)
        return True
    finally:
        process.communicate()


def _whole_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def _parent_alone(process: subprocess.Popen[str]) -> None:
    workers = children(process.pid)
    process.kill()
    _gone(workers)


def _worker_alone(process: subprocess.Popen[str]) -> None:
    """The parent starts another worker, which does all the work; the kill comes while there is a worker."""
    for worker in children(process.pid):
        os.kill(worker, signal.SIGKILL)


_WAYS = (_whole_group, _parent_alone, _worker_alone)


def _gone(pids: object) -> None:
    """Workers die with their parent."""
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):  # type: ignore[attr-defined]
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.005)
