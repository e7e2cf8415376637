"""A lock on a file that the system frees when its holder dies, however it dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crmservice.errors import TryLater

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


# Windows locks bytes, not files: one far behind the text, so that others can read who holds it.
_FAR = 1 << 30
_PAUSE_S = 0.02


def take(path: Path) -> int | None:
    """Lock the file (made where it is missing) and return its descriptor, or None if somebody holds it.

    The lock ends with ``os.close`` of the descriptor, or with the process. Children do not inherit it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if _try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock for a block; waits for it, and raises TryLater after ``seconds``."""
    end = time.monotonic() + seconds
    while (descriptor := take(path)) is None:
        if time.monotonic() >= end:
            raise TryLater(
                "{path} is locked by another process for more than {seconds:g} s", path=path, seconds=seconds
            )
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        os.close(descriptor)
