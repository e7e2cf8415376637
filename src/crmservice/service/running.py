"""Jobs as they run: each in a thread, its times and its result written down (see ``service.scheduled``)."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from crmservice.errors import CrmServiceError, TryLater
from crmservice.service.backoff import Turn
from crmservice.service.scheduled import Beside, Context, Scheduled, daily

if TYPE_CHECKING:
    from crmservice.store.jobs import Last
    from crmservice.store.lease import Lease

Tell = Callable[[str, CrmServiceError], None]
"""Tells an operator what had which fault."""

RETRY_S = 60.0
RENEW_S = 10.0
REREAD_S = 60.0
"""A command may have done the job meanwhile."""

LEASE = "/keeper"
"""No box has this name: it would be a file's."""


class Broke(TryLater):
    """The program did not foresee this."""


class Running:
    """One job: whether it is due, and its thread."""

    def __init__(self, job: Scheduled, context: Context, tell: Tell) -> None:
        self._job, self._context, self._tell = job, context, tell
        self._thread: threading.Thread | None = None
        self._last: Last | None = None
        self._reading = Turn(REREAD_S)
        self._said = ""

    def look(self, *, mine: bool) -> None:
        """Begin if it is due. ``mine``: this service is the one that does what only one does."""
        if self._job.alone and not mine:
            self._reading.now()
        elif (self._thread is None or not self._thread.is_alive()) and self._due():
            self._thread = threading.Thread(target=self._run, name=self._job.name, daemon=True)
            self._thread.start()

    def look_without_database(self) -> None:
        """The same while the database can't be reached yet."""
        if self._job.bare:
            self.look(mine=True)

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))

    def finish(self) -> None:
        """What it does last of all."""
        if self._job.last is not None:
            with contextlib.suppress(CrmServiceError):
                self._job.last(self._context)

    def _due(self) -> bool:
        from crmservice.store import jobs

        if self._reading.fault is not None and not self._reading.due():
            return False
        try:
            if self._job.noted and self._reading.due():
                self._last = jobs.read(self._job.name)
            if self._reading.due():
                self._reading.went_well()
            settings = self._context.settings
            due = self._job.due or daily(settings.nightly)
            return due(self._context.now().astimezone(settings.zone), self._last)
        except CrmServiceError as fault:  # the database is away: whoever needs it tells
            self._reading.failed(fault)
            return False

    def _run(self) -> None:
        from crmservice.store import database, jobs

        began = self._context.now()
        try:
            if self._job.noted:
                jobs.begin(self._job.name, began)
            self._last = jobs.Last(self._job.name, began)
            result, fault = self._outcome()
            self._last = jobs.Last(self._job.name, began, self._context.now(), fault is None, result)
            if self._job.noted:
                jobs.end(self._last)
        except CrmServiceError as away:
            self._reading.failed(away)
        finally:
            database.disconnect()

    def _outcome(self) -> tuple[Mapping[str, object], CrmServiceError | None]:
        """What the job came to, and its fault, told where it is another than the last."""
        from crmservice.store import database

        try:
            with database.available():  # a database that is away is no bug of the job that asked it
                result, fault = self._job.run(self._context), None
        except CrmServiceError as failed:
            result, fault = {"fault": failed.words}, failed
        except Exception as bug:  # noqa: BLE001 (one job's bug is not the others')
            sys.excepthook(*sys.exc_info())
            fault = Broke("an unexpected fault ({kind}); standard error says more", kind=type(bug).__name__)
            result = {"fault": fault.words}
        if fault is not None and str(fault) != self._said:
            self._tell(self._job.name, fault)
        self._said = str(fault or "")
        return result, fault


class Standing:
    """Something that stands beside the jobs; where it can't begin, it is tried again."""

    def __init__(self, beside: Beside, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._beside, self._tell = beside, tell
        self._turn = Turn(RETRY_S, clock)
        self._ends: contextlib.ExitStack | None = None

    def up(self, context: Context) -> None:
        """Begin, if it does not stand yet."""
        if self._ends is not None or not self._turn.due():
            return
        ends = contextlib.ExitStack()
        try:
            ends.enter_context(self._beside(context))
        except CrmServiceError as fault:
            if self._turn.fault is None:
                self._tell(self._beside.__name__, fault)
            self._turn.failed(fault)
        else:
            self._ends = ends

    def end(self) -> None:
        """End it."""
        if self._ends is not None:
            self._ends.close()


class KeeperLease:
    """The right to do what only one service of a database does. Without it nothing is said: another has it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease: Lease | None = None
        self._turn = Turn(RENEW_S, clock)

    def held(self) -> bool:
        """Whether it is ours now; tried, or renewed, every ten seconds."""
        from crmservice.store import lease

        if self._turn.due():
            self._turn.went_well()
            try:
                if self._lease is None:
                    self._lease = lease.take(LEASE)
                elif self._lease.renewal is not None:
                    self._lease.renew()
            except CrmServiceError:
                self.close()
        return self._lease is not None

    def close(self) -> None:
        """Give it back."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with contextlib.suppress(CrmServiceError):
                lease.release()
