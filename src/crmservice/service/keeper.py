"""The keeper: what the service does beside its boxes. It runs the jobs (``service.jobs``) and tells of the boxes' files.

Each job runs in a thread of its own, so that a mail server that does not answer keeps no other job waiting.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from crmservice.config import Box
from crmservice.errors import BadConfiguration, CrmServiceError
from crmservice.service import files, wiring
from crmservice.service.backoff import Turn
from crmservice.service.child import Life
from crmservice.service.configuration import Configuration
from crmservice.service.health import Say
from crmservice.service.jobs import BESIDE, JOBS
from crmservice.service.log import ServiceLog
from crmservice.service.running import KeeperLease, Running, Standing
from crmservice.service.scheduled import Beside, Context, Scheduled
from crmservice.service.wake import Wake
from crmservice.words import joined

DONE = 0
LOOK_S = 1.0
"""So often it is asked which jobs are due; the boxes' files are looked at half as often."""
RETRY_S = 60.0
LEAVE_S = 4.0
"""So long the jobs may take to end when the service does."""


class Keeper:
    """Runs jobs until asked to end. ``now`` gives aware UTC times."""

    def __init__(
        self,
        configuration: Configuration,
        life: Life,
        wake: Wake,
        say: Say,
        *,
        jobs: Sequence[Scheduled] = JOBS,
        beside: Sequence[Beside] = BESIDE,
        now: Callable[[], datetime] = wiring.now,
        look: float = LOOK_S,
    ) -> None:
        settings = configuration.found.settings
        self._configuration, self._life, self._wake, self._say, self._now = configuration, life, wake, say, now
        self._log = ServiceLog(settings.home, settings.zone, now, settings.log)
        self._context = Context(settings, self._log, now, self._boxes, life.stop, lambda: configuration.found.broken)
        self._jobs = [Running(job, self._context, self._tell) for job in jobs]
        self._beside = [Standing(one, self._tell) for one in beside]
        self._look = look
        self._files = Turn(2 * look)
        self._said = False
        self._starting = Turn(RETRY_S)

    def run(self) -> int:
        """Until asked to end; returns 0. Raises BadConfiguration where the database is not for this program."""
        self._life.stop.listen()
        while not self._life.stop() and not self._connected():
            for job in self._jobs:
                job.look_without_database()
            self._wake.wait(min(self._look, self._starting.left()))
        with contextlib.ExitStack() as ends:
            lease = ends.enter_context(contextlib.closing(KeeperLease()))
            for standing in self._beside:
                ends.callback(standing.end)
            while not self._life.stop():
                self._look_at_files()
                for standing in self._beside:
                    standing.up(self._context)
                mine = lease.held()
                for job in self._jobs:
                    job.look(mine=mine)
                self._wake.wait(self._look)
            until = time.monotonic() + LEAVE_S
            for job in self._jobs:
                job.join(until - time.monotonic())
            for job in self._jobs:
                job.finish()
        return DONE

    def _connected(self) -> bool:
        if not self._starting.due():
            return False
        settings = self._context.settings
        try:
            wiring.connect(settings.home, settings)
        except BadConfiguration:
            raise
        except CrmServiceError as fault:
            self._starting.failed(fault)
            return False
        return True

    def _boxes(self) -> tuple[Box, ...]:
        return tuple(self._configuration.found.boxes.values())

    def _look_at_files(self) -> None:
        """Tell of files that turned bad or good; the parent restarts the workers of those that changed."""
        if not self._files.due():
            return
        self._files.went_well()
        if self._configuration.renew() or not self._said:
            found = self._configuration.found
            self._said = files.tell(found.bad, found.good()) & files.tell_unknown_keys(found.warnings)

    def _tell(self, what: str, fault: CrmServiceError) -> None:
        words = joined(": ", (what, fault.words))
        self._say(words, True)
        self._log.error(str(words))
