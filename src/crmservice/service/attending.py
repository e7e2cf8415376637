"""What goes on beside a worker, in threads: its lease is renewed, its folder looked at, its pause foreseen.

A worker sits in one long call, waiting for a server or reading a large mail; who looks for something else meanwhile
must not wait for that.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

Look = Callable[[], bool]
"""Looks once; whether the worker is to be woken."""

_MOST_FILES = 1000
"""With more files than these in the folder the worker is at it anyway."""

_STACK_BYTES = 512 * 1024
"""A thread's stack counts as memory of the worker, which is limited; these threads do little."""


@contextlib.contextmanager
def attended(looks: dict[float, list[Look]], wake: Callable[[], None], leave: Callable[[], None]) -> Iterator[None]:
    """Look every so many seconds, in a thread for each interval; ``leave`` is called in each thread at its end."""
    ended = threading.Event()

    def attend(seconds: float, looking: list[Look]) -> None:
        try:
            while not ended.wait(seconds):
                if sum(look() for look in looking):
                    wake()
        finally:
            leave()

    before = threading.stack_size(_STACK_BYTES)
    threads = [threading.Thread(target=attend, args=one, daemon=True) for one in looks.items()]
    for thread in threads:
        thread.start()
    threading.stack_size(before)
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(1)


def changes(value: Callable[[], object]) -> Look:
    """Wakes whenever this value is another than at the last look."""
    known = [value()]

    def look() -> bool:
        now = value()
        changed, known[0] = now != known[0], now
        return changed

    return look


def arrivals(folder: Path) -> Look:
    """Wakes when an ``.eml`` file comes to the folder or changes; that one goes is no reason."""
    known: list[frozenset[tuple[str, int, int]]] = [frozenset()]

    def look() -> bool:
        before, known[0] = known[0], _files(folder)
        return bool(known[0] - before)

    return look


def _files(folder: Path) -> frozenset[tuple[str, int, int]]:
    found = set()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_FILES):
            if not entry.name.lower().endswith(".eml"):
                continue
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                found.add((entry.name, status.st_size, status.st_mtime_ns))
    return frozenset(found)
