"""Keys are made in Python (HOUSE.md): whole numbers of 63 bits that rise with time."""

from __future__ import annotations

import os
import time
from datetime import datetime

_EPOCH_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
_SALT_BITS = 12

MOST_ID = 2**63 - 1
"""The largest key that a database takes."""


class _Clock:
    """The last microsecond given out by this process, so that no two keys of it are the same."""

    def __init__(self) -> None:
        self.last = 0
        self.salt = 0
        self.pid = 0


_clock = _Clock()


def new_id() -> int:
    """A new key: 51 bits of microseconds since 2026 and 12 random bits of this process.

    Two processes can only meet in the same microsecond with the same salt; the primary key then refuses
    the second, and its batch is written again.
    """
    if _clock.pid != os.getpid():
        _clock.pid, _clock.salt = os.getpid(), int.from_bytes(os.urandom(2), "big") >> (16 - _SALT_BITS)
    _clock.last = max(_clock.last + 1, time.time_ns() // 1000 - _EPOCH_US)
    return (_clock.last << _SALT_BITS) | _clock.salt


def first_id_at(when: datetime) -> int:
    """The smallest key that can be made at this time (aware): what is larger was made later."""
    return (int(when.timestamp() * 1_000_000) - _EPOCH_US) << _SALT_BITS
