"""Work that comes again beside the boxes' own: what a job is. Each is one file, and one line in ``service.jobs``.

The keeper (``service.keeper``) asks every second which are due, and runs each in a thread of its own, one at a time of a
name. A job may run twice (a service that was killed, or its lease lost): it must bear that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crmservice.config import Box, Settings
from crmservice.service.log import ServiceLog

if TYPE_CHECKING:
    from crmservice.store.jobs import Last


@dataclass(frozen=True, slots=True)
class Context:
    """What a job works with. ``now`` gives aware UTC times; long work asks ``stopping`` often, and ends soon then.

    ``boxes`` are those that work now, as their last good files say (these may change while the service runs);
    ``broken_boxes`` those whose file has a fault, as far as it can be read.
    """

    settings: Settings
    log: ServiceLog
    now: Callable[[], datetime]
    current_boxes: Callable[[], tuple[Box, ...]]
    stopping: Callable[[], bool] = field(default=lambda: False)
    broken_boxes: Callable[[], tuple[Box, ...]] = tuple

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.settings.home

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes that work now."""
        return self.current_boxes()


Due = Callable[[datetime, "Last | None"], bool]
"""Whether a job is to run now (aware, on the home's wall clock); ``Last`` is its last time, None if it never ran."""

Run = Callable[[Context], Mapping[str, object]]
"""Does the job; what it came to, small and plain (for ``status``). Raises CrmServiceError: noted as its fault."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A job. ``due`` None: once a day, at the home's ``nightly``.

    ``noted``: its times and result are written to the database; not for what runs every few seconds. ``alone``: only
    one service of a database does it. Without it each does (on PostgreSQL there may be several). ``bare``: it runs
    while the database is away, too. ``last``: done once more when the service ends; it takes two seconds at most.
    """

    name: str
    due: Due | None
    run: Run
    noted: bool = True
    alone: bool = True
    bare: bool = False
    last: Run | None = None


Beside = Callable[[Context], AbstractContextManager[object]]
"""Something that runs as long as the keeper does, in threads of its own (an HTTP server): entered once, left at the end."""


def every(interval: timedelta) -> Due:
    """So often, counted from its beginning."""

    def due(now: datetime, last: Last | None) -> bool:
        # A clock that was far ahead when the job ran must not silence it for years.
        return last is None or last.began is None or abs(now - last.began) >= interval

    return due


def daily(at: time) -> Due:
    """Once a day from this time of the home's wall clock on; soon after the start where that time was missed."""

    def due(now: datetime, last: Last | None) -> bool:
        if last is None or last.began is None:
            return True
        day = now.date() if now.time() >= at else now.date() - timedelta(days=1)
        turn = datetime.combine(day, at, now.tzinfo).astimezone(UTC)  # later, where the clock skips this time today
        return last.began < turn <= now or last.began > now + timedelta(days=1)

    return due
