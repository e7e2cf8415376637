"""What wakes a process that waits: another process, a thread, a signal, all by the same byte."""

from __future__ import annotations

import contextlib
import selectors
import socket

_MOST = 4096


class Wake:
    """A pair of sockets: who waits has one end, who wakes the other. Made before a fork, it works across it.

    Sockets and no pipe: Windows can wait for nothing else.
    """

    def __init__(self) -> None:
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)

    def fileno(self) -> int:
        """The descriptor that is readable once somebody woke us."""
        return self._in.fileno()

    def writer(self) -> int:
        """The descriptor to write a byte to, for ``signal.set_wakeup_fd``."""
        return self._out.fileno()

    def nudge(self) -> None:
        """Wake whoever waits. Never blocks: with the buffer full, they are woken already."""
        with contextlib.suppress(BlockingIOError):
            self._out.send(b".")

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; whether somebody woke us. That is forgotten then."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_READ)
            selector.select(max(0.0, seconds))
        return self.drain()

    def drain(self) -> bool:
        """Whether somebody woke us since the last time; does not wait."""
        woken = False
        with contextlib.suppress(BlockingIOError):
            while self._in.recv(_MOST):
                woken = True
        return woken

    def close(self) -> None:
        """Let both ends go."""
        self._in.close()
        self._out.close()
