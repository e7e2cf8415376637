"""The wish to end leaves a server at once, and what is ours when it is finished; whoever waits is woken."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from crmservice.service.stop import Leave, Stop
from crmservice.service.wake import Wake


@pytest.fixture
def signals() -> object:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield before
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_server_that_does_not_answer_is_left_at_once(signals: object) -> None:
    stop = Stop()
    stop.listen()
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(Leave), stop.waiting():
        time.sleep(30)
    assert time.monotonic() - begun < 10
    assert stop()
    timer.join()


def test_what_is_ours_is_finished(signals: object) -> None:
    stop = Stop()
    stop.listen()
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop()
    with stop.waiting():
        pass


def test_a_signal_wakes_whoever_waits(signals: object) -> None:
    wake = Wake()
    stop = Stop(wake)
    stop.listen()
    os.kill(os.getpid(), signal.SIGINT)
    assert wake.wait(30)
    assert not wake.drain()
    stop.ask()
    assert wake.drain()
    wake.close()


def test_any_number_of_nudges_is_one_and_never_blocks() -> None:
    wake = Wake()
    for _ in range(100_000):
        wake.nudge()
    assert wake.wait(0)
    assert not wake.wait(0)
    wake.close()


def test_a_nudge_reaches_another_process() -> None:
    wake = Wake()
    child = os.fork()
    if child == 0:
        os._exit(0 if wake.wait(30) else 1)
    wake.nudge()
    assert os.waitpid(child, 0)[1] == 0
    wake.close()
