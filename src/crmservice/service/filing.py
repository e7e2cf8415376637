"""From the inbox to the CRM: waiting messages are read, decided and written down, batch by batch.

A message with an attempt behind it runs alone, and after two attempts it is set aside: one bad mail never
takes good ones with it (HOUSE.md, point 5). The attempt is counted durably before the mail is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Protocol

from crmservice.backup import Kept
from crmservice.config import Box
from crmservice.errors import CrmServiceError
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.pipeline.rule import Reading
from crmservice.service.child import Before
from crmservice.service.limits import cpu_limit
from crmservice.sources import header_of

BATCH = 50
"""Messages in a transaction."""

BATCH_BYTES = 8 * 1024 * 1024
"""Raw mail that a batch may hold: a large mail is a batch of its own."""

ATTEMPTS = 2
"""Attempts after which a message is set aside (SPEC chapter 3)."""

FORGIVEN = 8
"""Attempts more where nothing shows that the message is to blame: the service was killed from outside."""


class Inbox(Protocol):
    """What filing needs of the inbox."""

    def pending(self, box: str, limit: int) -> list[Waiting]:
        """Messages that wait for their verdict, in order of arrival."""

    def claim(self, ids: Sequence[int]) -> None:
        """Count an attempt, durably."""

    def release(self, ids: Sequence[int]) -> None:
        """Take an attempt back: it was not the message that failed."""

    def set_aside(self, row: int, reason: str, evidence: Mapping[str, object] | None = None) -> bool:
        """Give the verdict SET ASIDE with its reason."""


class Backup(Protocol):
    """Where raw mail is read from."""

    def read(self, path: str) -> bytes:
        """The bytes of a kept mail."""

    def size(self, path: str) -> int:
        """Its size in bytes."""

    def replace(self, path: str, content: bytes) -> Kept:
        """Keep something else under this path, durably."""


@dataclass
class Filing:
    """Files what waits. ``before``: how the worker before ended, which was at the first message that waits now.

    ``went_on`` is told of each batch that is behind us, whatever became of it, ``aside`` of a message that nobody could
    read: box, sender and subject, both unknown.
    """

    inbox: Inbox
    backup: Backup
    pipeline: Pipeline
    report: Callable[[Box, Sequence[Outcome]], None]
    before: Before = Before.NOTHING
    stopping: Callable[[], bool] = field(default=lambda: False)
    went_on: Callable[[], None] = field(default=lambda: None)
    aside: Callable[[Box, str, str], None] = field(default=lambda _box, _sender, _subject: None)

    def run(self, box: Box) -> None:
        """File everything that waits in this box, in order of arrival.

        Raises CrmServiceError when the store or the disk is the trouble: the messages wait on.
        """
        while not self.stopping() and (rows := self.inbox.pending(box.name, BATCH)):
            before, self.before = self.before, Before.NOTHING
            if before is Before.KILLED and (at_hand := _at_hand(rows)):
                self.inbox.release(at_hand)
            else:
                self._file(box, rows, ATTEMPTS if before is Before.DIED else ATTEMPTS + FORGIVEN)
                self.went_on()

    def _file(self, box: Box, rows: Sequence[Waiting], most: int) -> None:
        first = rows[0]
        if first.attempts >= most:
            self._set_aside(box, first, "died-twice", {"attempts": str(first.attempts)})
        elif first.attempts:
            self._attempt(box, [first], alone=True)
        else:
            self._attempt(box, self._batch(rows), alone=False)

    def _set_aside(self, box: Box, row: Waiting, reason: str, evidence: Mapping[str, object]) -> None:
        if self.inbox.set_aside(row.id, reason, evidence):
            self.aside(box, "", "")

    def _batch(self, rows: Sequence[Waiting]) -> list[Waiting]:
        """The first rows without an attempt behind them, as many as the batch's bytes allow (at least one)."""
        batch: list[Waiting] = []
        total = 0
        for row in rows:
            total += self._size(row)
            if row.attempts or (batch and total > BATCH_BYTES):
                break
            batch.append(row)
        return batch

    def _size(self, row: Waiting) -> int:
        try:
            return self.backup.size(row.path)
        except OSError:
            return 0

    def _attempt(self, box: Box, batch: Sequence[Waiting], alone: bool) -> None:
        ids = [row.id for row in batch]
        self.inbox.claim(ids)
        try:
            readings = [(row, self._read(box, row)) for row in batch]
            outcomes = self.pipeline.process(box, readings, self._reduced, cpu_limit)
        except CrmServiceError:
            self.inbox.release(ids)
            raise
        except Exception as fault:  # noqa: BLE001 (whatever a mail breaks, the others go on)
            if alone:
                self._set_aside(box, batch[0], "broke-the-reader", {"fault": type(fault).__name__})
        except BaseException:
            self.inbox.release(ids)
            raise
        else:
            self.report(box, outcomes)

    def _reduced(self, outcome: Outcome) -> Outcome:
        """Mail that is never filed keeps its headers alone (SPEC chapter 2, neverFile).

        Before its verdict is written: cut short by a crash, it is decided again by these same headers.
        """
        if "NEVER FILED" not in outcome.decision.log or not outcome.row.path:
            return outcome
        head = header_of(self.backup.read(outcome.row.path))
        return replace(outcome, stored=self.backup.replace(outcome.row.path, head).sha256)

    def _read(self, box: Box, row: Waiting) -> Reading:
        raw = self.backup.read(row.path)
        with cpu_limit():
            return self.pipeline.read(raw, box)


def _at_hand(rows: Sequence[Waiting]) -> list[int]:
    """What the worker before was at when it ended: one message alone, or a batch's first attempt."""
    if rows[0].attempts > 1:
        return [rows[0].id]
    return [row.id for row in takewhile(lambda row: row.attempts == 1, rows)]
