"""A box's rounds under its lease: read what is due, file what waits, wait (SPEC chapter 10).

Each source has turns of its own, so that one that fails keeps no other waiting. Between rounds the worker idles at
a server that tells of new mail, or sleeps; a nudge (mail was handed over, a file was dropped, the pause begins or
ends, somebody asks for an end) wakes it from either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from crmservice.config import Box, paused
from crmservice.errors import CrmServiceError
from crmservice.service.backoff import Turn
from crmservice.service.stop import Stop
from crmservice.service.wake import Wake
from crmservice.sources import Source, Waiting
from crmservice.store.lease import LeaseLost

TOGETHER_S = 0.2
"""Mail seldom comes alone: what arrives within this time is read together, and a server that cries wolf is borne."""

QUICK_S = 60.0
"""A server that ends IDLE sooner than this is not asked for it again for a while."""


class Work(Protocol):
    """The work on a box (``box_work.BoxWork``). Both raise CrmServiceError."""

    box: Box

    def take(self, source: Source) -> None:
        """Take everything that a source has."""

    def file(self) -> None:
        """File everything that waits."""


class Telling(Protocol):
    """Who is told how the box fares (``health.Health``)."""

    def tell(self, fault: CrmServiceError) -> None:
        """A fault, as it happens."""

    def cycle(self, faults: Sequence[CrmServiceError], *, paused: bool = False, tried: bool = True) -> None:
        """What a round came to."""


class Place:
    """A source with its turns: of reading it, and of waiting in its session."""

    def __init__(self, source: Source, poll: float, clock: Callable[[], float]) -> None:
        self.source = source
        self.reading = Turn(poll, clock)
        self.idling = Turn(poll, clock)


class Rounds:
    """The rounds of one box. ``now`` gives aware UTC times, by which the pause is judged; ``clock`` measures intervals."""

    def __init__(
        self,
        work: Work,
        sources: Sequence[Source],
        stop: Stop,
        wake: Wake,
        health: Telling,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work, self._stop, self._wake, self._health, self._now, self._clock = work, stop, wake, health, now, clock
        self._box = work.box
        self._places = [Place(source, self._box.poll_seconds, clock) for source in sources]
        self._filing = Turn(self._box.poll_seconds, clock)
        self._resting = False

    def one(self) -> None:
        """Read what is due, then file what waits. Raises LeaseLost; any other fault keeps only its own turn waiting."""
        resting, was_resting = paused(self._box, self._now()), self._resting
        self._resting = resting
        if resting and not was_resting:
            self._close([place for place in self._places if place.source.remote])
        due = [place for place in self._active() if place.reading.due()]
        for place in due:
            self._try(place.reading, partial(self._work.take, place.source))
            if place.reading.fault is not None or not isinstance(place.source, Waiting):
                self._close([place])
        regular, tried = self._filing.due(), bool(due)
        if regular or self._filing.fault is None:
            self._try(self._filing, self._work.file)
            tried = tried or self._filing.fault is not None
        if tried or regular or resting != was_resting:
            turns = [*(place.reading for place in self._active()), self._filing]
            faults = [turn.fault for turn in turns if turn.fault is not None]
            paused_now = resting and len(self._active()) < len(self._places)
            self._health.cycle(faults, paused=paused_now, tried=tried)

    def wait(self) -> None:
        """Until something is due, or something happens."""
        seconds = min(turn.left() for turn in (self._filing, *(place.reading for place in self._active())))
        if seconds <= 0:
            return
        place = next((place for place in self._active() if self._idles(place)), None)
        woken = self._wake.wait(seconds) if place is None else self._idle(place, seconds)
        if woken:
            for place in self._places:
                if not place.source.remote:
                    place.reading.now()

    def close(self) -> None:
        """End every session."""
        self._close(self._places)

    def _active(self) -> list[Place]:
        """The places that may be contacted now."""
        return [place for place in self._places if not (self._resting and place.source.remote)]

    def _idles(self, place: Place) -> bool:
        return isinstance(place.source, Waiting) and place.reading.fault is None and place.idling.due()

    def _idle(self, place: Place, seconds: float) -> bool:
        """Wait in the session of a server that tells of mail; whether somebody else woke us."""
        assert isinstance(place.source, Waiting)
        begun = self._clock()
        try:
            with self._stop.waiting():
                mail = place.source.wait(seconds, self._wake.fileno())
            if mail:
                place.reading.now()
                return self._wake.wait(TOGETHER_S)
        except CrmServiceError as fault:
            if self._clock() - begun >= QUICK_S:
                place.idling.went_well()
            place.idling.failed(fault)
            place.reading.after(place.idling.left())
            self._close([place])
        return self._wake.drain()

    def _try(self, turn: Turn, what: Callable[[], None]) -> None:
        try:
            what()
        except LeaseLost:
            raise
        except CrmServiceError as fault:
            turn.failed(fault)
            self._health.tell(fault)
        else:
            turn.went_well()

    def _close(self, places: Sequence[Place]) -> None:
        for place in places:
            with self._stop.waiting():
                place.source.close()
