"""A post in the service: the child that is wanted there, started again whenever it ends (see ``service.manager``)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from crmservice.service.child import Before, Child, End, Work
from crmservice.service.duties import Duty
from crmservice.service.supervise import Record
from crmservice.service.wake import Wake
from crmservice.words import Words

GRACE_S = 8.0
"""So long a child may take to end; in all the service has ten seconds (SPEC chapter 10)."""

AT_ONCE = 3
"""Ends in a row, nothing done in between, that the next child follows at once: a mail that kills needs two of them."""

MOST_WAIT_S = 60.0
"""The longest wait for the next child; one that lived as long did not end at its start."""

Start = Callable[[Work, Before, Wake], Child]
"""Starts a child."""


class Post:
    """Where one duty is done. ``leaving``: the duty is wanted no more."""

    def __init__(self, duty: Duty, start: Start, clock: Callable[[], float] = time.monotonic) -> None:
        self.duty = duty
        self.leaving = False
        self._start, self._clock = start, clock
        self._child: Child | None = None
        self._record, self._before = Record(), Before.NOTHING
        self._born = 0.0
        self._told: float | None = None
        self._not_before = 0.0

    @property
    def vacant(self) -> bool:
        """Whether nobody is at work."""
        return self._child is None

    def left(self) -> float:
        """Seconds until somebody is to be started."""
        return self._not_before - self._clock()

    def fill(self) -> None:
        """Start a child where none is and it is time."""
        if self._child is None and not self.leaving and self.left() <= 0:
            self._told, self._born = None, self._clock()
            self._child = self._start(self.duty.work, self._before, self.duty.wake)

    def take(self, duty: Duty) -> bool:
        """This is the duty now; who did it as it was is told to end. Whether it is another than before."""
        changed = duty.made_of != self.duty.made_of
        if changed:
            self._not_before = 0.0
            self.end()
        self.leaving, self.duty = False, duty
        return changed

    def end(self) -> None:
        """Tell the child to end."""
        if self._child is not None and self._told is None:
            self._told = self._clock()
            self._child.tell()

    def kill(self) -> None:
        """End it at once."""
        if self._child is not None:
            self._child.kill()

    def look(self) -> tuple[Words | None, int]:
        """Whether the child has ended: what there is to say of that, and its exit code where its work was done."""
        if self._child is None:
            return None, 0
        end = self._child.ended()
        if end is None:
            if self._told is not None and self._clock() > self._told + GRACE_S:
                self._child.kill()
            return None, 0
        self._child = None
        return self._take_down(end)

    def _take_down(self, end: End) -> tuple[Words | None, int]:
        if self._clock() > self._born + MOST_WAIT_S:
            self._record.in_vain = 0
        self._before = self._record.took(end)
        if self._told is not None:
            self._record.in_vain, self._not_before = 0, 0.0
            return None, 0
        wait = 0.0 if self._record.in_vain <= AT_ONCE else min(MOST_WAIT_S, 2.0 ** (self._record.in_vain - AT_ONCE))
        self._not_before = self._clock() + (max(1.0, wait) if end.finished else wait)
        how = Words("exit code {code}", code=end.code)
        if end.code < 0:
            how = Words("signal {name}", name=signal.Signals(-end.code).name)
        return Words("{name} has ended ({how}); it is started again", name=self.duty.name, how=how), (
            end.code if end.finished else 0
        )
