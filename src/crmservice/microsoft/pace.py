"""How fast one mailbox may be asked through Graph (TRUST C21; CALENDAR A7).

Four requests at once, 10,000 in ten minutes, and none before the time that Graph named: requests that come too early are
counted against us. It outlives the cycle that was told to wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

AT_ONCE = 4
MOST = 10_000
WITHIN = 600.0
"""Seconds in which ``MOST`` requests may be sent."""

BURST = 2_000
"""Requests that need not wait for each other; the others are spread, so that a backlog never stands still for minutes."""

RATE = (MOST - BURST) / WITHIN

STEP = 0.25
"""Seconds after which one who waits looks whether he still should."""

LEAST = 0.001
"""A wait that is too short for the clock to notice would last for ever."""


class TooSoon(Exception):
    """No request may be sent for so many seconds, and that is longer than is waited for here."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Pace:
    """Of one mailbox, for all threads of this process."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._left, self._looked = float(BURST), clock()
        self._not_before = float("-inf")

    def hold(self, seconds: float) -> None:
        """Nobody sends anything for so long."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One of the four."""
        with self._slots:
            yield

    def wait(self, most: float, ended: Callable[[], bool]) -> float:
        """In a slot: wait until a request may be sent now, and count it; the seconds waited.

        Raises TooSoon where that is more than ``most``, or ``ended`` says that nobody wants it any more.
        """
        waited = 0.0
        while (left := self._take()) > 0:
            if waited + left > most or ended():
                raise TooSoon(left)
            step = min(max(left, LEAST), STEP)
            self._sleep(step)
            waited += step
        return waited

    def _take(self) -> float:
        """0 where a request may be sent, which counts from now on; else the seconds until then."""
        with self._lock:
            now = self._clock()
            self._left = min(BURST, self._left + (now - self._looked) * RATE)
            self._looked = now
            wait = max(self._not_before - now, (1 - self._left) / RATE)
            if wait <= 0:
                self._left -= 1
            return wait


class Paces:
    """The paces of a process, by what they are of."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Pace] = {}
        self._lock = threading.Lock()

    def of(self, *place: Hashable) -> Pace:
        """The one pace of this mailbox."""
        with self._lock:
            return self._known.setdefault(place, Pace())


KEPT = Paces()
"""This process's."""
