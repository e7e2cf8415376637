"""When nothing can be written down (the database is away, the disk is full) that is mailed directly, once an hour.

Every other notice waits in the database, which is of no use then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crmservice.errors import CrmServiceError
from crmservice.service import mailing
from crmservice.service.health import no_room
from crmservice.service.scheduled import Context, Scheduled, every
from crmservice.tls import Timeouts

if TYPE_CHECKING:
    from crmservice.store.notices import Noted

NAME = "alarm"
EVERY = timedelta(seconds=30)
PATIENCE = timedelta(minutes=2)
"""A server that starts anew is no alarm."""

AGAIN = timedelta(hours=1)
WAITS = Timeouts(connect=10, read=10, session=30)


class Alarm:
    """Looks whether a notice could be written down. ``last``: a file whose time says when the last mail went."""

    def __init__(self, last: Path = Path(".crmservice", "alarm")) -> None:
        self._last = last
        self._sent: datetime | None = None
        self._since: datetime | None = None
        self._times = 0

    def __call__(self, context: Context) -> Mapping[str, object]:
        """Look, and mail where it is time. ``mails``: how many servers took one."""
        now = context.now()
        fault = _fault(now)
        if fault is None:
            self._since, self._times = None, 0
            return {"mails": 0}
        self._since, self._times = self._since or now, self._times + 1
        if now - self._since < PATIENCE or not self._is_time(context.home / self._last, now):
            return {"mails": 0}
        sent = self._mail(fault, context)
        if sent:
            self._sent = now
            _touch(context.home / self._last, now)
        return {"mails": sent}

    def _is_time(self, file: Path, now: datetime) -> bool:
        """Whether the last one went an hour ago; another process may have sent it."""
        known = [self._sent] if self._sent else []
        with contextlib.suppress(OSError):
            known.append(datetime.fromtimestamp(file.stat().st_mtime, UTC))
        return all(abs(now - sent) >= AGAIN for sent in known)

    def _mail(self, fault: CrmServiceError, context: Context) -> int:
        boxes = (*context.broken_boxes(), *context.boxes)
        box = mailing.outbox(context.settings, boxes, context.log.notice, WAITS)
        return box.send_directly(self._noted(fault, context.now()))

    def _noted(self, fault: CrmServiceError, now: datetime) -> Noted:
        from crmservice.store.notices import Noted

        assert self._since is not None
        kind = "disk-full" if no_room(fault) else "database"
        return Noted(
            0, kind, "", "", {"fault": fault.words}, self._since, None, self._since, now, self._times, "", None
        )


def _fault(now: datetime) -> CrmServiceError | None:
    """Why nothing can be written down; None where it can: that this was tried is written."""
    from crmservice.store import database, jobs

    try:
        database.migrate()
        jobs.end(jobs.Last(NAME, now, now))
    except CrmServiceError as fault:
        return fault
    return None


def _touch(file: Path, now: datetime) -> None:
    with contextlib.suppress(OSError):  # a full disk; this process remembers it
        file.touch(0o600)
        os.utime(file, (now.timestamp(), now.timestamp()))


WATCH = Scheduled(NAME, every(EVERY), Alarm(), noted=False, alone=False, bare=True)
