"""One cycle: for every box, capture what its sources have and file what waits (SPEC chapters 3 and 10)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from crmservice.config import Box, paused
from crmservice.errors import BadConfiguration, CrmServiceError
from crmservice.microsoft.tokens import mail_token
from crmservice.pipeline.gateway import Outcome
from crmservice.service import wiring
from crmservice.service.capture import Capture
from crmservice.service.filing import Filing
from crmservice.service.importing import ImportFolder
from crmservice.service.limits import limit_memory
from crmservice.service.log import ServiceLog
from crmservice.sources import Source, open_sources
from crmservice.words import Words, joined

DONE, FAILED, TRY_LATER, BAD_CONFIGURATION = 0, 1, 75, 78

Say = Callable[[Words, bool], None]
"""Tells an operator something; True for a fault."""

Progress = Callable[[int, int], None]
"""Shows how many of how many messages are done."""


class Lease(Protocol):
    """The right to work on a box, held until released."""

    def check(self) -> None:
        """Raise LeaseLost when somebody else has it."""

    def release(self) -> None:
        """Give it back."""


@dataclass
class Stop:
    """Whether somebody asked for an end; the message at hand is finished first."""

    asked: bool = field(default=False)

    def __call__(self) -> bool:
        """Whether to end."""
        return self.asked

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as the wish to end."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self.asked = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask)


@dataclass
class Cycle:
    """The boxes of a home and what a cycle over them needs."""

    found: wiring.Configured
    say: Say
    stop: Stop
    died: bool
    log: ServiceLog

    def boxes(self) -> int:
        """One cycle for each box; the exit code that it comes to."""
        codes = [self._box(box) for box in self.found.boxes]
        if self.found.faults:
            return BAD_CONFIGURATION
        return TRY_LATER if TRY_LATER in codes else DONE

    def _box(self, box: Box) -> int:
        try:
            lease = _lease(box)
        except CrmServiceError as fault:
            return self._fault(box, fault)
        try:
            codes = [self._source(box, source, lease) for source in self._sources(box)]
            self._file(box, lease)
        except CrmServiceError as fault:
            return self._fault(box, fault)
        finally:
            lease.release()
        return TRY_LATER if TRY_LATER in codes else DONE

    def _sources(self, box: Box) -> Iterable[Source]:
        sources = open_sources(box, token=mail_token(box, self.found.home))
        resting = paused(box, wiring.now())
        return [source for source in sources if not (resting and source.remote)]

    def _source(self, box: Box, source: Source, lease: Lease) -> int:
        """Capture everything a source has, filing each batch as it comes."""
        try:
            for _new in self.capture(box, lease).run(box, source):
                self._file(box, lease)
        except CrmServiceError as fault:
            return self._fault(box, fault)
        finally:
            for text in source.faults:
                self.log.notice(f"{box.name} {source.name}: {text}")
            source.close()
        return DONE

    def capture(self, box: Box, lease: Lease) -> Capture:
        """The capture of a box of this home."""
        from crmservice.store.inbox import StoreInbox

        return Capture(StoreInbox(lease), wiring.raw_mail(self.found.settings, box.name), wiring.now, self.stop)

    def _file(self, box: Box, lease: Lease) -> None:
        self.filing(lease).run(box)

    def filing(self, lease: Lease, report: Callable[[Box, Sequence[Outcome]], None] | None = None) -> Filing:
        """The filing of this home."""
        from crmservice.store.gateway import StoreGateway
        from crmservice.store.inbox import StoreInbox

        return Filing(
            inbox=StoreInbox(lease),
            backup=wiring.raw_mail(self.found.settings),
            pipeline=wiring.pipeline(self.found.settings, StoreGateway(lease)),
            report=report or self.log.messages,
            died=self.died,
            stopping=self.stop,
        )

    def _fault(self, box: Box, fault: CrmServiceError) -> int:
        words = joined(": ", (box.name, fault.words))
        self.say(words, True)
        self.log.error(str(words))
        return TRY_LATER


def _lease(box: Box) -> Lease:
    from crmservice.store import lease

    return lease.take(box.name)


def _begin(home: Path, *, died: bool, say: Say) -> Cycle:
    found = wiring.configured(home)
    log = ServiceLog(home, found.settings.zone, wiring.now, found.settings.log)
    for fault in found.faults:
        say(fault.words, True)
        log.error(str(fault))
    for warning in found.warnings:
        say(warning.words, False)
    if not found.boxes and not found.faults:
        raise BadConfiguration("{home} holds no technology box: make one with 'crmservice init'", home=home)
    limit_memory()
    wiring.connect(home, found.settings)
    stop = Stop()
    stop.listen()
    return Cycle(found, say, stop, died, log)


def run(home: Path, *, once: bool, died: bool, say: Say) -> int:
    """One cycle, or one every ``pollSeconds`` until stopped; returns the exit code of SPEC chapter 11."""
    cycle = _begin(home, died=died, say=say)
    while True:
        code = cycle.boxes()
        if once or cycle.stop():
            return code
        _rest(min(box.poll_seconds for box in cycle.found.boxes), cycle.stop)
        if cycle.stop():
            return DONE


def _rest(seconds: float, stop: Stop) -> None:
    end = time.monotonic() + seconds
    while not stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))


def import_folder(home: Path, folder: Path, name: str, *, died: bool, say: Say, progress: Progress) -> int:
    """Copy a folder of mail into a box and file it; returns the exit code."""
    source = ImportFolder(folder)
    cycle = _begin(home, died=died, say=say)
    box = wiring.the_box(cycle.found.boxes, name)
    lease = _lease(box)
    done = 0

    def report(which: Box, outcomes: Sequence[Outcome]) -> None:
        nonlocal done
        done += len(outcomes)
        cycle.log.messages(which, outcomes)
        progress(done, max(done, source.total))

    filing = cycle.filing(lease, report)
    try:
        filing.run(box)
        done = 0
        for _new in cycle.capture(box, lease).run(box, source):
            filing.run(box)
    finally:
        lease.release()
        for fault in source.faults:
            say(fault, True)
    return FAILED if source.faults else DONE
