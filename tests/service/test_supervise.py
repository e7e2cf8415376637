"""A worker in a child: what its end means to the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crmservice.service import supervise
from crmservice.service.child import Before, End, ForkedChild, Life
from crmservice.service.supervise import MOST_KILLS, Record, supervised

TOLD = (Before.NOTHING, Before.DIED, Before.KILLED)


def test_the_worker_s_exit_code_is_the_command_s() -> None:
    assert supervised(lambda _life: 75) == 75


@pytest.mark.parametrize(("how", "known"), [("segv", Before.DIED), ("exit", Before.DIED), ("kill", Before.KILLED)])
def test_a_worker_that_died_is_followed_by_one_that_knows(tmp_path: Path, how: str, known: Before) -> None:
    first = tmp_path / "first"

    def work(life: Life) -> int:
        if not first.exists():
            first.touch()
            if how == "exit":
                os._exit(0)
            os.kill(os.getpid(), signal.SIGSEGV if how == "segv" else signal.SIGKILL)
        return 10 + TOLD.index(life.before)

    assert supervised(work) == 10 + TOLD.index(known)


def test_a_worker_that_was_told_to_end_is_not_followed() -> None:
    def work(_life: Life) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    assert supervised(work) == 128 + signal.SIGTERM


def test_a_mail_that_gets_its_worker_killed_for_ever_is_blamed_in_the_end() -> None:
    record, killed = Record(), End(-signal.SIGKILL, finished=False, went_on=False)
    assert {record.took(killed) for _ in range(MOST_KILLS)} == {Before.KILLED}
    assert record.took(killed) is Before.NOTHING
    assert record.took(End(-signal.SIGKILL, finished=False, went_on=True)) is Before.KILLED


def test_what_a_worker_says_of_its_progress_reaches_its_parent(tmp_path: Path) -> None:
    def work(life: Life) -> int:
        life.went_on()
        life.went_on()
        os._exit(0)

    end = ForkedChild(work, Before.NOTHING).wait()
    assert (end.code, end.finished, end.went_on) == (0, False, True)


def test_an_endless_death_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "MOST_DEATHS", 3)

    def work(_life: Life) -> int:
        os._exit(0)

    assert supervised(work) == 1


def test_a_fault_in_the_worker_is_shown_once_and_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def work(_life: Life) -> int:
        raise ValueError("told once")

    assert supervised(work) == 1
    assert capfd.readouterr().err.count("ValueError: told once") == 1


def test_without_fork_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert supervised(lambda life: TOLD.index(life.before)) == 0


ORPHAN = """
import os, signal, sys, time
from crmservice.service.supervise import supervised
def work(died):
    print(os.getpid(), flush=True)
    time.sleep(30)
    return 0
supervised(work)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_worker_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
        assert parent.stdout.read() == ""  # the worker held the other end: it is gone
    end = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{worker}").exists()
