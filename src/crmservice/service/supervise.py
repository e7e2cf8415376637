"""A command's work in a child process: a mail that kills it must not stop the ninety-nine others (SPEC chapter 3).

The parent does nothing but wait. When the child dies it starts the next one, which is told how the last one
ended. Where processes can't fork (Windows) the work runs here. The background service has a parent of its own
(``service.manager``) by the same rules.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from crmservice.service.child import Before, End, ForkedChild, Life, Work, forks, untold

MOST_DEATHS = 1000
"""A cycle that dies more often than this is broken itself, not its mail."""

MOST_KILLS = 8
"""Kills in a row, without a mail getting its verdict in between, that no mail is blamed for."""


class Record:
    """How a worker's predecessors fared: what the next one is told."""

    def __init__(self) -> None:
        self.in_vain = 0
        """Ends in a row with nothing done in between."""

    def took(self, end: End) -> Before:
        """Take an end down; what the next worker is told."""
        self.in_vain = 0 if end.went_on else self.in_vain + 1
        if end.finished or end.told:
            return Before.NOTHING
        if not end.killed:
            return Before.DIED
        # A machine whose memory one mail eats up kills at that mail for ever.
        return Before.KILLED if self.in_vain <= MOST_KILLS else Before.NOTHING


def supervised(work: Work) -> int:
    """Do the work in a child until it ends by itself; returns its exit code."""
    if not forks():
        return work(Life())
    record, before = Record(), Before.NOTHING
    for _ in range(MOST_DEATHS):
        end = _run_child(work, before)
        if end.finished or end.told:
            return end.code if end.code >= 0 else 128 - end.code
        before = record.took(end)
    return 1


def _run_child(work: Work, before: Before) -> End:
    with contextlib.ExitStack() as handlers:
        with untold():
            child = ForkedChild(work, before)
            handlers.enter_context(_passed_on(child.pid))
        return child.wait()


@contextlib.contextmanager
def _passed_on(child: int) -> Iterator[None]:
    """SIGTERM to the parent is the child's to hear. A terminal's SIGINT it hears itself, and ends its work."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    def leave_it(_number: int, _frame: FrameType | None) -> None:
        pass

    before = [
        (number, signal.signal(number, heard))
        for number, heard in ((signal.SIGTERM, pass_on), (signal.SIGINT, leave_it))
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
