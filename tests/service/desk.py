"""Capture and filing as ``service.cycle`` puts them together, with a place to plant faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from crmservice.backup import Kept
from crmservice.backup.folder import BackupFolder
from crmservice.backup.in_flight import InFlight
from crmservice.config import Box
from crmservice.pipeline.gateway import CrmGateway, Outcome
from crmservice.pipeline.process import Pipeline
from crmservice.pipeline.rule import Answer, Case, Rule, not_mine
from crmservice.rules import CHAIN
from crmservice.service.capture import Capture
from crmservice.service.child import Before
from crmservice.service.filing import Filing
from crmservice.store import inbox, ledger
from crmservice.store.gateway import StoreGateway
from crmservice.store.inbox import Listed, New, StoreInbox
from crmservice.testing.builders import box
from tests.service.shelf import Shelf, ShelfSource

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Hook = Callable[[str], None]
"""Told a step's name before it (``accept``) and after it (``accept done``); may raise."""


def nothing(_step: str) -> None:
    """No fault."""


class WatchedInbox(StoreInbox):
    def __init__(self, hook: Hook) -> None:
        super().__init__()
        self._hook = hook

    def accept(self, arrivals: Sequence[New]) -> list[int]:
        self._hook("accept")
        ids = super().accept(arrivals)
        self._hook("accept done")
        return ids

    def confirm_gone(self, ids: Iterable[int]) -> None:
        self._hook("confirm_gone")
        super().confirm_gone(ids)
        self._hook("confirm_gone done")


class WatchedBackup(BackupFolder):
    def __init__(self, home: Path, hook: Hook) -> None:
        super().__init__(home, InFlight(home, "crm"))
        self._hook = hook

    def keep(self, mails: Sequence[bytes], day: date) -> list[Kept]:
        self._hook("keep")
        kept = super().keep(mails, day)
        self._hook("keep done")
        return kept

    def read(self, path: str) -> bytes:
        self._hook("read")
        return super().read(path)


class WatchedShelf(ShelfSource):
    def __init__(self, shelf: Shelf, hook: Hook) -> None:
        super().__init__(shelf)
        self._hook = hook

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        self._hook("confirm")
        gone = super().confirm(source_ids)
        self._hook("confirm done")
        return gone


@dataclass
class Desk:
    """Capture and filing in a home. ``hook`` is told each durable step; ``reports`` are the batches filed."""

    home: Path
    box: Box = field(default_factory=box)
    now: datetime = NOON
    shelf: Shelf = field(default_factory=dict)
    reports: list[list[str]] = field(default_factory=list)
    hook: Hook = nothing
    stop: bool = False

    def put(self, *mails: bytes) -> None:
        """Put mails on the shelf, behind the others."""
        for raw in mails:
            self.shelf[f"{len(self.shelf):04}"] = raw

    def capture(self) -> Capture:
        backup = WatchedBackup(self.home, self._tell)
        return Capture(WatchedInbox(self._tell), backup, lambda: self.now, lambda: self.stop)

    def take(self, source: ShelfSource | None = None, *, limit: int | None = None) -> list[int]:
        """Capture all that the shelf has; how many were new in each batch."""
        return list(self.capture().run(self.box, source or WatchedShelf(self.shelf, self._tell), limit=limit))

    def filing(
        self, *, gateway: CrmGateway | None = None, first: Rule | None = None, before: Before = Before.DIED
    ) -> Filing:
        """Filing with a gateway of one's own, or with a rule before the others."""
        chain = (first, *CHAIN) if first else CHAIN
        return Filing(
            StoreInbox(),
            WatchedBackup(self.home, self._tell),
            Pipeline(gateway or StoreGateway(), chain),
            self._report,
            before,
            lambda: self.stop,
        )

    def file(self) -> None:
        self.filing().run(self.box)

    def rows(self) -> list[Listed]:
        """The inbox in order of arrival."""
        return inbox.list_messages()[::-1]

    def logs(self) -> list[str]:
        return [", ".join(row.log) for row in self.rows()]

    def differences(self) -> list[str]:
        return [str(one.words) for one in ledger.differences(BackupFolder(self.home))]

    def _tell(self, step: str) -> None:
        self.hook(step)

    def _report(self, _box: Box, outcomes: Sequence[Outcome]) -> None:
        self.reports.append([outcome.decision.message.subject for outcome in outcomes])


def breaking(subject: str, fault: BaseException) -> Rule:
    """A rule that raises at the mail with this subject."""

    def ask(case: Case) -> Answer:
        if case.message.subject == subject:
            raise fault
        return not_mine("fine")

    return Rule("breaking", "", ask)
