"""A supervised command is told to end as any other: the worker finishes what it is at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

SCRIPT = """
import signal, sys, time
from crmservice.service.supervise import supervised
def work(died):
    told = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: told.append(number))
    print("ready", flush=True)
    end = time.monotonic() + 30
    while not told and time.monotonic() < end:
        time.sleep(0.01)
    print("finished", flush=True)
    return 42 if told else 1
sys.exit(supervised(work))
"""


@pytest.mark.parametrize(
    ("number", "tell"),
    [(signal.SIGTERM, os.kill), (signal.SIGTERM, os.killpg), (signal.SIGINT, os.killpg)],
    ids=["systemd", "terminate-group", "terminal"],
)
def test_the_worker_ends_its_work_and_its_code_is_the_command_s(
    number: signal.Signals, tell: Callable[[int, int], None]
) -> None:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        tell(parent.pid, number)
        assert parent.stdout.read() == "finished\n"
    assert parent.returncode == 42
