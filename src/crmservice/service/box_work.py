"""The work on one box under its lease: take what a source has, file what waits (SPEC chapters 3 and 10)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Protocol

from crmservice.config import Box, Settings, paused
from crmservice.pipeline.gateway import Outcome
from crmservice.service import wiring
from crmservice.service.capture import Capture
from crmservice.service.child import Life
from crmservice.service.durations import Durations
from crmservice.service.filing import Filing
from crmservice.service.log import ServiceLog
from crmservice.service.returned import Returned
from crmservice.sources import Source

Report = Callable[[Box, Sequence[Outcome]], None]


class Lease(Protocol):
    """The right to work on a box, held until released."""

    def check(self) -> None:
        """Raise LeaseLost when somebody else has it."""

    def release(self) -> None:
        """Give it back."""


class BoxWork:
    """Takes and files mail for one box. ``report`` is told what became of each batch, in the log's place.

    ``turn``: called whenever something begins, which with a backlog or a slow server may take long.
    """

    def __init__(
        self,
        box: Box,
        settings: Settings,
        lease: Lease,
        life: Life,
        log: ServiceLog,
        report: Report | None = None,
        turn: Callable[[], None] = lambda: None,
    ) -> None:
        self.box, self._settings, self._lease, self._life, self._log = box, settings, lease, life, log
        self._told, self._turn = report or log.messages, turn
        self._durations = Durations(box.name)
        self._returned = Returned(box.name, wiring.now)
        self._said: dict[str, set[str]] = {}

    def take(self, source: Source) -> None:
        """Take everything that a source has, filing each batch as it comes. Raises CrmServiceError."""
        self._turn()
        left_aside: dict[str, None] = {}  # of the whole round: with each batch a source begins to count anew
        try:
            batches = self.capture.run(
                self.box, source, resting=lambda: source.remote and paused(self.box, wiring.now())
            )
            while self._durations.timed("capture", lambda: next(batches, None)) is not None:
                left_aside |= dict.fromkeys(map(str, source.faults))
                self.file()
        finally:
            self._tell(source, left_aside | dict.fromkeys(map(str, source.faults)))

    def file(self) -> None:
        """File everything that waits. Raises CrmServiceError."""
        self._turn()
        self.filing.run(self.box)
        self._durations.write()

    def _report(self, box: Box, outcomes: Sequence[Outcome]) -> None:
        """Tell what became of a batch, and note how long it took since its messages arrived."""
        now = wiring.now()
        for outcome in outcomes:
            self._durations.observe("arrival", (now - outcome.row.arrived).total_seconds())
        self._told(box, outcomes)
        self._returned.saw(outcomes)

    @cached_property
    def capture(self) -> Capture:
        """What takes mail from a source."""
        from crmservice.store.inbox import StoreInbox

        raw_mail, stop = wiring.raw_mail(self._settings, self.box.name), self._life.stop
        return Capture(StoreInbox(self._lease), raw_mail, wiring.now, stop, stop.waiting, self._log.aside)

    @cached_property
    def filing(self) -> Filing:
        """What takes it from there to the CRM."""
        from crmservice.store.gateway import StoreGateway
        from crmservice.store.inbox import StoreInbox

        return Filing(
            inbox=StoreInbox(self._lease),
            backup=wiring.raw_mail(self._settings),
            pipeline=wiring.pipeline(self._settings, StoreGateway(self._lease)),
            report=self._report,
            before=self._life.before,
            stopping=self._life.stop,
            went_on=self._life.went_on,
            aside=self._log.aside,
        )

    def _tell(self, source: Source, texts: Collection[str]) -> None:
        """What the source left aside, once as long as it lasts."""
        for text in texts:
            if text not in self._said.get(source.name, ()):
                self._log.notice(f"{self.box.name} {source.name}: {text}")
        self._said[source.name] = set(texts)
