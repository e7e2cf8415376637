"""Whether hostile input costs no more than its length: CPU time, with five times the room, tried again where a busy
machine added to it."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

MEGABYTE = 1_000_000
TRIES = 3


def allowed(seconds: float) -> float:
    """The bound as it is for code that is being traced, as under coverage, where each line costs several times more."""
    return seconds if sys.gettrace() is None else 5 * seconds


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call, without the garbage of what ran before, and without a look at all that other tests keep."""
    gc.collect()
    gc.freeze()
    try:
        started = time.process_time()
        work()
        return time.process_time() - started
    finally:
        gc.unfreeze()


def assert_linear(prepare: Callable[[int], Callable[[], object]], size: int = MEGABYTE, bound: float = 2.0) -> None:
    """What ``prepare(size)`` makes runs within ``bound`` seconds, and twice the size in at most thrice the time.

    Below a quarter of the bound (at most 0.5 s) the growth is not looked at: there the clock says more than the code.
    """
    half, whole = prepare(size // 2), prepare(size)
    bound = allowed(bound)
    seen = []
    for _ in range(TRIES):
        slower = cpu_seconds(whole)
        if slower < min(bound / 4, 0.5):
            return
        faster = cpu_seconds(half)
        if slower < bound and slower <= 3 * faster:
            return
        seen.append((round(faster, 3), round(slower, 3)))
    raise AssertionError(f"half and whole size took {seen} s, bound {bound} s")
