"""The wish to end: the message at hand is finished first, a server that is waited for is left at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from crmservice.service.wake import Wake


class Leave(BaseException):
    """Somebody asked for an end while a server was waited for; what it did not confirm comes again."""


class Stop:
    """Whether somebody asked for an end. ``wake`` is woken by it."""

    def __init__(self, wake: Wake | None = None) -> None:
        self.asked = False
        self._wake = wake
        self._waiting = False

    def __call__(self) -> bool:
        """Whether to end."""
        return self.asked

    def ask(self) -> None:
        """Ask for an end, from any thread."""
        self.asked = True
        if self._wake is not None:
            self._wake.nudge()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as the wish to end. Elsewhere than in the main thread no signal arrives."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told)
        if self._wake is not None:
            signal.set_wakeup_fd(self._wake.writer(), warn_on_full_buffer=False)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around reading from a server: the wish to end raises Leave out of it, as nothing of ours is half done there."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._waiting:
            self._waiting = False
            raise Leave
