"""Our own notices that come back: each does, where errorTo's mail is forwarded to the box. Many are a loop (TRUST.md B12)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from crmservice.mail.own_notice import canary_token
from crmservice.notices import note
from crmservice.pipeline.gateway import Outcome

MOST = 30
"""So many returns an hour are no loop: ten notices, each by three ways."""

HOUR = timedelta(hours=1)


class Returned:
    """Counts the returns to a box, and notes a loop. A loop's own notice comes back too, but never so often."""

    def __init__(self, box: str, now: Callable[[], datetime]) -> None:
        self._box, self._now = box, now
        self._times: deque[datetime] = deque(maxlen=MOST + 1)

    def saw(self, outcomes: Iterable[Outcome]) -> None:
        """What was filed; canaries are meant to come back."""
        mine = [one.decision for one in outcomes if "OWN NOTICE" in one.decision.log]
        returned = [one for one in mine if not canary_token(one.message)]
        for decision in returned:
            self._times.append(self._now())
            if len(self._times) > MOST and abs(self._times[-1] - self._times[0]) < HOUR:
                note("loop", self._box, subject=decision.message.subject)
                self._times.clear()
