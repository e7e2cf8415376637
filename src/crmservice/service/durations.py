"""How long the stages of a message take, as histograms that several processes add to (Prometheus' form).

Kept in memory and written now and then: a message costs two additions.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from crmservice.errors import TryLater

NAME = "crmservice_stage_seconds"
BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0)
"""Upper bounds in seconds; each bucket holds the smaller ones too."""

STAGES = ("capture", "arrival")
"""A batch fetched and made durable; a message from its arrival to its verdict."""

WRITE_EVERY_S = 15.0

T = TypeVar("T")


class Durations:
    """The stages of one box in this process."""

    def __init__(self, box: str) -> None:
        self._box = box
        self._written = -WRITE_EVERY_S
        self._values: defaultdict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)

    def observe(self, stage: str, seconds: float) -> None:
        """Something took so long."""
        labels = (("box", self._box), ("stage", stage))
        for bound in BUCKETS:
            if seconds <= bound:
                self._values[f"{NAME}_bucket", (("box", self._box), ("le", str(bound)), ("stage", stage))] += 1
        self._values[f"{NAME}_count", labels] += 1
        self._values[f"{NAME}_sum", labels] += max(seconds, 0.0)

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """Do one run of a stage, by a clock that never jumps."""
        begun = time.monotonic()
        try:
            return work()
        finally:
            self.observe(stage, time.monotonic() - begun)

    def write(self, *, at_once: bool = False) -> None:
        """Add what was observed to the database, every few seconds; where it is away, later."""
        from crmservice.store import metrics

        if not self._values or not (at_once or time.monotonic() - self._written >= WRITE_EVERY_S):
            return
        with suppress(TryLater):
            metrics.add(self._values)
            self._values.clear()
            self._written = time.monotonic()
