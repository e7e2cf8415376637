"""Limits of time and memory for reading one mail and for deciding it: beyond them the worker dies, and its supervisor goes on."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

CPU_SECONDS = 20.0
"""CPU time that reading one mail may take, and the rules' look at it (TRUST.md B8, E7)."""

IN_ALL_SECONDS = 300.0
"""Time that each may take at all: who waits for what never comes uses no CPU (TRUST.md C15). A busy machine needs its time."""

MEMORY_BYTES = 480 * 1024 * 1024
"""Private memory of a worker: an ordinary mail of 50 MB needs less (TRUST.md B8)."""


def limit_memory(limit: int = MEMORY_BYTES) -> None:
    """Cap this process's private memory; an allocation beyond it raises MemoryError (Linux alone)."""
    if sys.platform == "linux":
        import resource

        _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))


@contextlib.contextmanager
def cpu_limit(seconds: float = CPU_SECONDS, in_all: float = IN_ALL_SECONDS) -> Iterator[None]:
    """Kill this process when the block takes more CPU time than this, or more time in all, even inside a C library."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, in_all)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
