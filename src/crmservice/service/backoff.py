"""When something is tried again: regularly while it works, after a fault with growing patience (TRUST.md C24).

Intervals are measured by the monotonic clock: a jump of the wall clock neither hurries nor delays anything.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from crmservice.errors import CrmServiceError

PASSING_FIRST_S = 1.0
PERMANENT_MOST_S = 30 * 60.0
JITTER = 0.2
"""A fault hits many boxes at once: they must not come back all at the same moment."""
EARLY = 0.1
"""Boxes that were started together drift apart; no cycle takes longer than ``pollSeconds``."""

Chance = Callable[[float, float], float]
"""A number between two others."""


def after_fault(permanent: bool, in_a_row: int, poll: float, chance: Chance = random.uniform) -> float:
    """Seconds until the next try after so many faults in a row (the first is 1).

    A passing fault: 1 s, doubled each time, at most ``poll``. One that waiting does not mend (a wrong password):
    ``poll``, doubled each time, at most half an hour: its repetition may lock an account.
    """
    first, most = (poll, max(poll, PERMANENT_MOST_S)) if permanent else (PASSING_FIRST_S, poll)
    # Beyond 2**20 the limit holds in any case; a float that overflows would not.
    return min(most, first * 2.0 ** min(in_a_row - 1, 20)) * chance(1 - JITTER, 1 + JITTER)


class Turn:
    """When one thing is tried next. ``fault``: what the last try came to, None where it went well."""

    def __init__(
        self, poll: float, clock: Callable[[], float] = time.monotonic, chance: Chance = random.uniform
    ) -> None:
        self._poll, self._clock, self._chance = poll, clock, chance
        self._due = clock()
        self._in_a_row = 0
        self.fault: CrmServiceError | None = None

    def left(self) -> float:
        """Seconds until it is due; not more than 0: it is."""
        return self._due - self._clock()

    def due(self) -> bool:
        """Whether it is to be tried now."""
        return self.left() <= 0

    def now(self) -> None:
        """It is to be tried now, unless a fault keeps it waiting."""
        if self.fault is None:
            self._due = self._clock()

    def after(self, seconds: float) -> None:
        """It is to be tried in so many seconds."""
        self._due = self._clock() + seconds

    def went_well(self) -> None:
        """The next turn comes after ``poll`` seconds."""
        self.fault, self._in_a_row = None, 0
        self.after(self._poll * self._chance(1 - EARLY, 1))

    def failed(self, fault: CrmServiceError) -> None:
        """The next try comes as ``after_fault`` says, and not before the other side wants it (``retry_after``)."""
        if self.fault is not None and self.fault.permanent != fault.permanent:
            self._in_a_row = 0
        self.fault = fault
        self._in_a_row += 1
        wait = after_fault(fault.permanent, self._in_a_row, self._poll, self._chance)
        self.after(max(wait, fault.retry_after))
