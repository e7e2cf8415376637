"""One cycle: for every box, capture what its sources have and file what waits (SPEC chapters 3 and 10).

``run --once`` and ``import``; the background service is ``service.manager``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crmservice.config import Box, paused
from crmservice.errors import BadConfiguration, CrmServiceError
from crmservice.pipeline.gateway import Outcome
from crmservice.service import files, mailing, wiring
from crmservice.service.box_work import BoxWork, Lease
from crmservice.service.child import Life
from crmservice.service.health import Health, Say
from crmservice.service.importing import ImportFolder
from crmservice.service.limits import limit_memory
from crmservice.service.log import ServiceLog
from crmservice.service.stop import Leave
from crmservice.sources import Source

DONE, FAILED, TRY_LATER, BAD_CONFIGURATION = 0, 1, 75, 78

Progress = Callable[[int, int], None]
"""Shows how many of how many messages are done."""


@dataclass
class Cycle:
    """The boxes of a home and what a cycle over them needs."""

    found: wiring.Configured
    say: Say
    life: Life
    log: ServiceLog

    def boxes(self) -> int:
        """One cycle for each box; the exit code that it comes to."""
        try:
            codes = [self._box(box) for box in self.found.boxes]
        except Leave:
            return TRY_LATER
        if self.found.faults:
            return BAD_CONFIGURATION
        return TRY_LATER if TRY_LATER in codes else DONE

    def send(self) -> None:
        """Send what there is to tell, a few seconds long."""
        mailing.send_now(self.found.settings, (*self.found.broken, *self.found.boxes), self.log, self.life.stop)

    def _box(self, box: Box) -> int:
        health = Health(box, self.log, self.say, wiring.now)
        try:
            lease = take_lease(box)
        except CrmServiceError as fault:
            health.tell(fault)  # its holder says how the box fares
            return TRY_LATER
        try:
            faults = []
            for trouble in self._faults(box, lease):
                health.tell(trouble)
                faults.append(trouble)
            health.cycle(faults, paused=paused(box, wiring.now()))
        finally:
            lease.release()
        return TRY_LATER if faults else DONE

    def _faults(self, box: Box, lease: Lease) -> Iterable[CrmServiceError]:
        """Take and file everything; what went wrong with each source, and with the box."""
        work = BoxWork(box, self.found.settings, lease, self.life, self.log)
        try:
            for source in self._sources(box):
                yield from _taken(work, source)
            work.file()
        except CrmServiceError as fault:
            yield fault

    def _sources(self, box: Box) -> Iterable[Source]:
        sources = wiring.sources(box, self.found.home)
        resting = paused(box, wiring.now())
        return [source for source in sources if not (resting and source.remote)]


def _taken(work: BoxWork, source: Source) -> Iterable[CrmServiceError]:
    try:
        work.take(source)
    except CrmServiceError as fault:
        yield fault
    source.close()


def take_lease(box: Box) -> Lease:
    """The right to work on a box. Raises LeaseHeld or DatabaseUnavailable."""
    from crmservice.store import lease

    return lease.take(box.name)


def begin(home: Path, life: Life, say: Say) -> Cycle:
    """Read the configuration, connect, listen for the wish to end. Raises BadConfiguration or DatabaseUnavailable."""
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
    life.stop.listen()
    return Cycle(found, say, life, log)


def run(home: Path, life: Life, say: Say) -> int:
    """One cycle; returns the exit code of SPEC chapter 11."""
    cycle = begin(home, life, say)
    files.tell(files.by_box(cycle.found.faults), [box.name for box in cycle.found.boxes])
    files.tell_unknown_keys(cycle.found.warnings)
    try:
        return cycle.boxes()
    finally:
        cycle.send()


def import_folder(home: Path, folder: Path, name: str, life: Life, *, say: Say, progress: Progress) -> int:
    """Copy a folder of mail into a box and file it; returns the exit code."""
    source = ImportFolder(folder)
    cycle = begin(home, life, say)
    box = wiring.the_box(cycle.found.boxes, name)
    lease = take_lease(box)
    done = 0

    def report(which: Box, outcomes: Sequence[Outcome]) -> None:
        nonlocal done
        done += len(outcomes)
        cycle.log.messages(which, outcomes)
        progress(done, max(done, source.total))

    work = BoxWork(box, cycle.found.settings, lease, life, cycle.log, report)
    try:
        work.file()
        done = 0
        work.take(source)
    except Leave:
        return TRY_LATER
    finally:
        lease.release()
        for fault in source.faults:
            say(fault, True)
        cycle.send()
    return FAILED if source.faults else DONE
