"""The worker of one box: it holds the box's lease as long as it lives, and starts over whatever happens (SPEC chapter 10)."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from crmservice.config import Box, Settings, paused
from crmservice.errors import BadConfiguration, CrmServiceError, TryLater
from crmservice.notices import note
from crmservice.service import wiring
from crmservice.service.attending import Look, arrivals, attended, changes
from crmservice.service.backoff import Turn
from crmservice.service.box_work import BoxWork
from crmservice.service.child import Before, Life
from crmservice.service.health import Health, Say
from crmservice.service.limits import limit_memory
from crmservice.service.log import ServiceLog
from crmservice.service.stop import Leave
from crmservice.service.wake import Wake
from crmservice.tls import Timeouts

if TYPE_CHECKING:
    from crmservice.store.lease import Lease, LeaseHeld

DONE = 0
HELD_REMINDER_S = 3600.0


class Unexpected(TryLater):
    """Something happened that the program does not foresee."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a worker looks at something, in seconds, and how long it waits for servers.

    ``look``: at its folder and its pause. ``held``: whether a lease that somebody holds is free now; held for less than
    ``held_notice`` it is nothing to tell an administrator. ``expiry``: of a lease on PostgreSQL that is not renewed.
    """

    look: float = 2.0
    held: float = 5.0
    held_notice: float = 60.0
    expiry: float = 30.0
    timeouts: Timeouts = field(default_factory=Timeouts)


class Worker:
    """Works on one box until asked to end. ``now`` gives aware UTC times."""

    def __init__(
        self,
        box: Box,
        settings: Settings,
        life: Life,
        wake: Wake,
        say: Say,
        now: Callable[[], datetime] = wiring.now,
        pace: Pace | None = None,
    ) -> None:
        self._box, self._settings, self._life, self._wake, self._say = box, settings, life, wake, say
        self._now, self._pace = now, pace or Pace()
        self._log = ServiceLog(settings.home, settings.zone, now, settings.log)
        self._health = Health(box, self._log, say, now)
        self._starting = Turn(box.poll_seconds)
        self._connected = False
        self._waiting_for = ""
        self._held_notice = 0.0

    def run(self) -> int:
        """Until asked to end; returns 0. Raises BadConfiguration where the database is not for this program."""
        from crmservice.store.lease import LeaseHeld, LeaseLost

        self._life.stop.listen()
        limit_memory()
        while not self._life.stop():
            try:
                self._work()
            except Leave:
                break
            except LeaseHeld as held:
                self._wait_for_holder(held)
            except LeaseLost as lost:
                self._log.notice(f"{self._box.name}: {lost}")
            except CrmServiceError as fault:
                if isinstance(fault, BadConfiguration) and not self._connected:
                    raise
                self._start_later(fault)
            except Exception as bug:  # noqa: BLE001 (a bug on one box's road must not end its mail for good)
                sys.excepthook(*sys.exc_info())
                kind = type(bug).__name__
                self._start_later(Unexpected("an unexpected fault ({kind}); standard error says more", kind=kind))
        return DONE

    def _work(self) -> None:
        """One lease long. Raises LeaseHeld, LeaseLost or another CrmServiceError."""
        from crmservice.service.rounds import Rounds
        from crmservice.store.lease import LeaseLost

        with self._held() as (lease, lost):
            work = BoxWork(self._box, self._settings, lease, self._life, self._log, turn=self._health.turn)
            sources = wiring.sources(self._box, self._settings.home, self._pace.timeouts)
            rounds = Rounds(work, sources, self._life.stop, self._wake, self._health, self._now)
            try:
                while not self._life.stop():
                    rounds.one()
                    self._life.before = Before.NOTHING
                    rounds.wait()
                    if lost():
                        raise LeaseLost
                    self._starting.went_well()
            finally:
                if not self._life.stop():  # else sessions end with the process: nobody waits for a server's goodbye
                    rounds.close()

    @contextlib.contextmanager
    def _held(self) -> Iterator[tuple[Lease, Callable[[], bool]]]:
        """The box's lease, kept alive; and whether it was lost."""
        from crmservice.store import database
        from crmservice.store import lease as leases

        if not self._connected:
            wiring.connect(self._settings.home, self._settings)
            self._connected = True
        lease = leases.take(self._box.name, self._pace.expiry)
        self._waiting_for = ""
        lost = threading.Event()

        def renew() -> bool:
            try:
                lease.renew()
            except leases.LeaseLost:
                lost.set()
            except CrmServiceError:
                return False  # the database is away: the next renewal may come in time
            return lost.is_set()

        looks = self._looks()
        if lease.renewal is not None:
            looks.setdefault(lease.renewal, []).append(renew)
        try:
            with attended(looks, self._wake.nudge, database.disconnect):
                yield lease, lost.is_set
        finally:
            with contextlib.suppress(CrmServiceError):
                lease.release()

    def _looks(self) -> dict[float, list[Look]]:
        looks: list[Look] = []
        if self._box.eml_dir is not None:
            looks.append(arrivals(self._box.eml_dir))
        if self._box.stop_from != self._box.stop_to:
            looks.append(changes(lambda: paused(self._box, self._now())))
        return {self._pace.look: looks} if looks else {}

    def _wait_for_holder(self, held: LeaseHeld) -> None:
        """Somebody else works on the box: said once, as long as it is the same one."""
        if str(held) != self._waiting_for:
            self._waiting_for = str(held)
            self._health.tell(held)
            self._held_notice = time.monotonic() + self._pace.held_notice
        if time.monotonic() >= self._held_notice:
            note("box-lease", self._box.name, fault=held.words)
            self._held_notice = time.monotonic() + HELD_REMINDER_S
        self._wake.wait(self._pace.held)

    def _start_later(self, fault: CrmServiceError) -> None:
        self._starting.failed(fault)
        self._health.tell(fault)
        self._health.cycle([fault])
        while (left := self._starting.left()) > 0 and not self._life.stop():
            self._wake.wait(left)
