"""Capture: no message leaves the server before it is ours (SPEC chapter 3).

For each batch: read → backup durable → inbox rows durable → only then delete at the source, where that is costly
several batches together. A message that was captured before but whose deletion is unconfirmed is recognised by its
source id and its bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Protocol
from uuid import uuid4

from crmservice.backup import Kept
from crmservice.config import Box
from crmservice.errors import CrmServiceError
from crmservice.mail.parsing import parse
from crmservice.pipeline.rule import Step, Verdict
from crmservice.sources import BATCH, Fetched, Gathering, Source
from crmservice.store.inbox import New
from crmservice.store.lease import LeaseLost
from crmservice.words import Words

BATCH_BYTES = 8 * 1024 * 1024
"""Raw mail held in memory before it is made durable; a larger mail is a batch of its own."""

Rows = Mapping[str, list[tuple[int, str]]]


class Accepting(Protocol):
    """What capture needs of the inbox (``store.inbox``)."""

    def accept(self, arrivals: Sequence[New]) -> list[int]:
        """Insert a durable row for each arrival."""

    def known(self, box: str, source: str, source_ids: Sequence[str]) -> Rows:
        """Rows of these source ids whose deletion is unconfirmed: id and sha256."""

    def larger(self, box: str, source: str, limit: int) -> set[str]:
        """Source ids of mail that is set aside because it is larger than ``limit`` bytes."""

    def returned(self, box: str, source: str, checksums: Mapping[str, str]) -> Mapping[str, int]:
        """Rows of these source ids and checksums whose deletion was confirmed: source id -> id."""

    def confirm_gone(self, ids: Sequence[int]) -> None:
        """The source confirmed the deletion."""

    def without_row(self, paths: Sequence[str]) -> list[str]:
        """Those of these files of the backup that no row names."""


class Keeping(Protocol):
    """What capture needs of the backup."""

    def keep(self, mails: Sequence[bytes], day: date) -> list[Kept]:
        """Write mails durably."""

    def unsettled(self) -> list[str]:
        """Files that may have no row: their batch was cut short."""

    def settle(self, without_row: Sequence[str] = ()) -> None:
        """Every file of the batch has its row but these."""

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Capture:
    """Takes mail from a source into the inbox. ``now`` gives aware UTC times.

    ``waiting`` is entered around reading from the source: there the work may be left at any moment. ``aside`` is told of
    each mail that is set aside as too large: box, sender and subject.
    """

    inbox: Accepting
    backup: Keeping
    now: Callable[[], datetime] = _now
    stopping: Callable[[], bool] = field(default=lambda: False)
    waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    aside: Callable[[Box, str, str], None] = field(default=lambda _box, _sender, _subject: None)

    def run(
        self, box: Box, source: Source, *, limit: int | None = None, resting: Callable[[], bool] = lambda: False
    ) -> Iterator[int]:
        """Take everything the source has, yielding how many new messages each batch brought.

        The caller may file what came before it asks for more. It ends between two batches where ``resting`` says that
        the source is to be left alone. Raises SourceError, BackupFailed or DatabaseUnavailable: what was captured by
        then is durable, the rest is still at the source.
        """
        self.tidy()
        most = limit or box.max_message_bytes
        oversized = self.inbox.larger(box.name, source.name, most)
        durable: dict[str, int] = {}  # source id -> row: ours, and still to be deleted at the source
        while not (self.stopping() or resting()):
            fetching = source.fetch(oversized.__contains__, most, BATCH)
            with self.waiting():
                batch, fault = _up_to(fetching)
            new = self._take(box, source, batch, durable) if batch else 0
            if not batch or fault is not None or _due(source, len(durable)):
                self._let_go(source, durable)
            if batch:
                yield new
            if fault is not None:
                raise fault
            if not batch:
                return
            oversized |= {mail.source_id for mail in batch if mail.oversize}
        self._let_go(source, durable)

    def receive(self, box: Box, source: str, mails: Sequence[bytes]) -> list[int]:
        """Take mail that somebody hands over, so that there is nothing to delete: durable when this returns.

        Gives the rows' ids in the order of the mails. Raises BackupFailed, LeaseLost or DatabaseUnavailable: then
        none of them was taken, and whoever handed them over keeps them.
        """
        self.tidy()
        new = [Fetched(uuid4().hex, mail, size=len(mail)) for mail in mails]
        return list(self._accept(box, source, new, gone=True).values())

    def tidy(self) -> None:
        """Remove what a batch that was cut short wrote without a row: its mail is still where it came from."""
        if paths := self.backup.unsettled():
            self.backup.settle(self.inbox.without_row(paths))

    def _take(self, box: Box, source: Source, batch: Sequence[Fetched], durable: dict[str, int]) -> int:
        """Make a batch durable, noting what may be deleted; how many of it are new."""
        known = self.inbox.known(box.name, source.name, [mail.source_id for mail in batch])
        before = {mail.source_id: row for mail in batch if (row := _same_row(mail, known)) is not None}
        before |= self._returned(box, source, [mail for mail in batch if mail.source_id not in before])
        new = [mail for mail in batch if mail.source_id not in before]
        rows = before | (self._accept(box, source.name, new, known) if new else {})
        durable.update((mail.source_id, rows[mail.source_id]) for mail in batch if not mail.oversize)
        return len(new)

    def _returned(self, box: Box, source: Source, mails: Sequence[Fetched]) -> Mapping[str, int]:
        """Rows of those that a server gives once more though it confirmed their deletion: it did not delete them.

        A server's ids are no other mail's; without this, one that only pretends to delete would bring its mail anew at
        every cycle, until the disk is full. The name of a file comes again for another file, though.
        """
        if not source.remote:
            return {}
        checksums = {mail.source_id: sha256(mail.data).hexdigest() for mail in mails if not mail.oversize}
        found = self.inbox.returned(box.name, source.name, checksums) if checksums else {}
        if found:
            words = Words(
                "the server confirmed the deletion of messages and gives them again ({count}); they are not filed twice,"
                " and deleted once more: see that nothing there keeps or restores them",
                count=len(found),
            )
            source.faults.append(words)
        return found

    def _let_go(self, source: Source, durable: dict[str, int]) -> None:
        """Delete at the source what is durable here."""
        gone = source.confirm(list(durable)) if durable else ()
        if gone:
            self.inbox.confirm_gone([durable[name] for name in gone])
        durable.clear()

    def _accept(
        self, box: Box, source: str, new: Sequence[Fetched], known: Rows = MappingProxyType({}), *, gone: bool = False
    ) -> dict[str, int]:
        rows: list[New] = []
        try:
            kept = self._kept(box, source, new, gone=gone)
            rows = [replace(row, row=_oversized_row(known.get(row.source_id, ()))) for row in kept]
            ids = self.inbox.accept(rows)
        except LeaseLost:
            with contextlib.suppress(CrmServiceError):  # the note of what is on its way is another's by now
                self.backup.remove([row.path for row in rows if row.path])
            raise
        except CrmServiceError:
            with contextlib.suppress(CrmServiceError):  # the trouble itself is told; the next run tidies up
                self.tidy()
            raise
        self.backup.settle()
        for row in rows:
            if row.verdict == Verdict.SET_ASIDE and row.row is None:
                self.aside(box, row.sender, row.subject)
        return dict(zip((mail.source_id for mail in new), ids, strict=True))

    def _kept(self, box: Box, source: str, new: Sequence[Fetched], *, gone: bool) -> list[New]:
        """The rows to be, their backup durable already."""
        arrived = self.now()
        day = arrived.astimezone(box.zone).date()
        whole = [mail for mail in new if not mail.oversize]
        kept = iter(self.backup.keep([mail.data for mail in whole], day) if whole else ())
        rows = []
        for mail in new:
            if mail.oversize:
                rows.append(_oversized(box, source, mail, arrived))
            else:
                copy = next(kept)
                row = New(box.name, source, mail.source_id, copy.sha256, copy.size, copy.path, arrived, day, gone=gone)
                rows.append(row)
        return rows


def _due(source: Source, durable: int) -> bool:
    return not isinstance(source, Gathering) or source.due(durable)


def _up_to(mails: Iterator[Fetched]) -> tuple[list[Fetched], CrmServiceError | None]:
    """Mails until their bytes fill a batch, or the source fails: what it gave before that is not lost.

    What was yielded is offered no more, the rest comes next time.
    """
    batch: list[Fetched] = []
    total = 0
    try:
        for mail in mails:
            batch.append(mail)
            total += len(mail.data)
            if total >= BATCH_BYTES:
                break
    except CrmServiceError as fault:
        return batch, fault
    return batch, None


def _same_row(mail: Fetched, known: Rows) -> int | None:
    """The row of this very message, captured before: same source id, same bytes."""
    rows = known.get(mail.source_id)
    if not rows or mail.oversize:
        return None
    checksum = sha256(mail.data).hexdigest()
    return next((row for row, stored in rows if stored == checksum), None)


def _oversized_row(rows: Iterable[tuple[int, str]]) -> int | None:
    """The row of a mail that was too large (it has no checksum of the whole): maxMessageBytes was raised since."""
    return next((row for row, checksum in rows if checksum == ""), None)


def _oversized(box: Box, source: str, mail: Fetched, arrived: datetime) -> New:
    """The row of a mail that stays where it is, set aside with what its headers say (SPEC chapter 3)."""
    head = parse(mail.data)
    step = Step("set_aside", "", True, "oversized", {"size": mail.size, "limit": box.max_message_bytes})
    return New(
        box.name,
        source,
        mail.source_id,
        "",
        mail.size,
        "",
        arrived,
        arrived.astimezone(box.zone).date(),
        verdict=Verdict.SET_ASIDE.value,
        log=("SET ASIDE",),
        trail=(step,),
        sender=head.sender.email if head.sender else "",
        subject=head.subject,
    )
