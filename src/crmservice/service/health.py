"""How a box fares, told to whoever should know: its row for ``status``, the log, standard error, a notice.

A fault that passes by itself becomes a notice when it lasted three minutes or three cycles; one that waiting
does not mend does at once, and so does any of a box that never worked yet: somebody is just setting it up. How often
it is told again is decided where notices are sent.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crmservice.config import Box
from crmservice.errors import CrmServiceError, TryLater
from crmservice.notices import note
from crmservice.service.log import ServiceLog
from crmservice.words import Words, joined

if TYPE_CHECKING:
    from crmservice.store.box_state import State

Say = Callable[[Words, bool], None]
"""Tells an operator something; True for a fault."""

PATIENCE = timedelta(minutes=3)
PATIENCE_CYCLES = 3
TURN = timedelta(seconds=30)
"""So often it is written down that a box has its turn, while that lasts."""


class Health:
    """Tells how one box fares. ``now`` gives aware UTC times. What the database does not take, the log has."""

    def __init__(self, box: Box, log: ServiceLog, say: Say, now: Callable[[], datetime]) -> None:
        self._box, self._log, self._say, self._now = box, log, say, now
        self._known: State | None = None
        self._untold: dict[str, tuple[Words, str]] = {}
        self._turn: datetime | None = None

    def tell(self, fault: CrmServiceError) -> None:
        """Say a fault as it happens, to the terminal and the log."""
        words = joined(": ", (self._box.name, fault.words))
        self._say(words, True)
        self._log.error(str(words))

    def turn(self) -> None:
        """The box has its turn: a long backlog, or a slow server, must not look like a service that does not run."""
        now = self._now()
        if self._turn is None or abs(now - self._turn) >= TURN:
            self._turn = now
            self._write(replace(self._state(), tried=now))

    def cycle(self, faults: Sequence[CrmServiceError], *, paused: bool = False, tried: bool = True) -> None:
        """What a turn came to: the faults that last now.

        ``paused``: the box's daily pause holds. ``tried``: what has a fault was tried again in this turn.
        """
        from crmservice.store.box_state import State

        self._tell_late()
        was, now = self._state(), self._now()
        new = self._known is not None and was.succeeded is None
        if not faults:
            self._recovered(was)
            self._write(State(was.box, "paused" if paused else "ok", now, was.succeeded if paused else now))
            return
        worst = next((fault for fault in faults if fault.permanent), faults[0])
        since = was.failing_since or now
        self._write(
            replace(
                was, kind="failing", tried=now, fault=worst.words, permanent=worst.permanent, failing_since=since,
                failures=was.failures + tried,
            )
        )  # fmt: skip
        if tried:
            self._note(worst, now, since, new=new)

    def _note(self, fault: CrmServiceError, now: datetime, since: datetime, *, new: bool) -> None:
        patience = min(PATIENCE, PATIENCE_CYCLES * timedelta(seconds=self._box.poll_seconds))
        full = no_room(fault)
        if full or fault.permanent or new or now - since >= patience:
            kind = "disk-full" if full else getattr(fault, "notice", "box-failing")
            self._untold[kind] = (fault.words, since.isoformat(timespec="seconds"))
        self._tell_late()

    def _tell_late(self) -> None:
        """Note what is to be told; what the database does not take now, when it does."""
        for kind, (fault, since) in list(self._untold.items()):
            if note(kind, self._box.name, fault=fault, since=since):
                del self._untold[kind]

    def _recovered(self, was: State) -> None:
        if was.failing_since is not None:
            since = was.failing_since.astimezone(self._box.zone)
            self._log.notice(f"{self._box.name}: works again; it had a fault since {since:%Y-%m-%d %H:%M:%S}")

    def _state(self) -> State:
        """The state so far; it outlives the process, so that a cron's runs know since when a fault lasts."""
        from crmservice.store import box_state

        if self._known is None:
            try:
                self._known = box_state.read(self._box.name)
            except TryLater:
                return box_state.State(self._box.name)
        return self._known

    def _write(self, state: State) -> None:
        from crmservice.store import box_state

        self._known = state
        with contextlib.suppress(TryLater):  # the next cycle writes what is so by then
            box_state.write(state)


def no_room(fault: BaseException) -> bool:
    """Whether a full disk is behind this fault."""
    return any(
        getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or getattr(cause, "sqlstate", None) == "53100"  # PostgreSQL: disk_full
        or "database or disk is full" in str(cause)  # SQLITE_FULL
        for cause in _causes(fault)
    )


def _causes(fault: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = fault
    while found is not None:
        yield found
        found = found.__cause__
