"""Mail of a backup that no row names becomes arrivals, with the dates it has (restore, and the old service's folder)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import PurePosixPath

from crmservice.backup import Found, RawMail
from crmservice.config import Box
from crmservice.mail.mentions import mentions
from crmservice.store import inbox, ledger

BATCH = 50


def by_arrival(mail: RawMail) -> Iterator[Found]:
    """The mails of a backup in the order in which they arrived: by day, by when they were written, by name."""
    for day in filter(ledger.is_day, mail.days()):
        yield from sorted(mail.files(day), key=lambda file: (file.written, file.path))


@dataclass
class Adopting:
    """Takes mails of a backup into the inbox as if they arrived when they were written; ``source`` says whence they came.

    A mail that lies in another home than ``raw`` is copied there first, under its own path. Call ``write`` at the end.
    """

    raw: RawMail
    boxes: Sequence[Box]
    source: str
    count: int = 0
    _batch: list[inbox.New] = field(default_factory=list)

    def take(self, home: RawMail, file: Found) -> None:
        """Take one mail. Raises BackupFailed or DatabaseUnavailable, OSError where it can't be read."""
        content = home.read(file.path)
        if home is not self.raw:
            self.raw.put({file.path: content})
        box = _box_of(content, self.boxes)
        day = date.fromisoformat(PurePosixPath(file.path).parent.name)
        arrived = _arrived(file.written, day, box)
        self._batch.append(
            inbox.New(
                box.name,
                self.source,
                file.path,
                ledger.checksum(content),
                len(content),
                file.path,
                arrived,
                day,
                gone=True,
            )
        )
        if len(self._batch) >= BATCH:
            self.write()

    def write(self) -> None:
        """Make what was taken durable. Raises DatabaseUnavailable."""
        if self._batch:
            inbox.accept(self._batch)
        self.count += len(self._batch)
        self._batch = []


def _box_of(content: bytes, boxes: Sequence[Box]) -> Box:
    """The box whose address the mail names as somebody who got it; the first one where it names none."""
    if len(boxes) == 1:
        return boxes[0]
    named = mentions(content)
    return next((box for box in boxes if box.email in named.parties), boxes[0])


def _arrived(written: datetime, day: date, box: Box) -> datetime:
    """When the file was written, if that was on its day; a copy is younger: noon of the day then."""
    if written.astimezone(box.zone).date() == day:
        return written
    return datetime.combine(day, time(12), box.zone)
