"""The listener of a box in a thread, on a real store."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from django.db import connections

from crmservice.config import load_settings
from crmservice.service.listening import listen
from crmservice.sources.smtp_in.terms import Terms
from crmservice.testing.builders import eml
from tests.service.desk import Desk
from tests.support.dovecot import free_port
from tests.support.listening import WAIT_S, Sender

MAIL = eml("Dobrý den")

T = TypeVar("T")


def soon(ask: Callable[[], T]) -> T:
    """What is answered, as soon as it is something."""
    for _ in range(1000):
        if answer := ask():
            return answer
        threading.Event().wait(0.01)
    msg = "nothing came"
    raise AssertionError(msg)


@dataclass
class Running:
    """A listener in a thread. ``nudged`` is set when it wakes the worker."""

    port: int
    nudged: threading.Event
    stop: threading.Event
    thread: threading.Thread

    def deliver(self, mail: bytes = MAIL) -> str:
        sender = self.sender()
        try:
            return sender.deliver(mail)
        finally:
            sender.close()

    def sender(self) -> Sender:
        sender = connected(self.port)
        sender.greet()
        return sender

    def end(self) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


def connected(port: int) -> Sender:
    """A connection, as soon as somebody listens."""
    for _ in range(1000):
        with contextlib.suppress(ConnectionRefusedError):
            return Sender(port)
        threading.Event().wait(0.01)
    msg = "nobody listens"
    raise AssertionError(msg)


Listen = Callable[..., Running]
"""Starts a listener: at a port, of a home."""


@contextlib.contextmanager
def listeners(desk: Desk, spool: Path) -> Iterator[Listen]:
    """Starts listeners of the desk's box, and ends them."""
    with contextlib.ExitStack() as stack:
        stack.callback(connections.close_all)

        def start(port: int = 0) -> Running:
            at = port or free_port()
            desk.box = replace(desk.box, smtp_listen=f"127.0.0.1:{at}")
            stop, nudged = threading.Event(), threading.Event()
            settings = load_settings(desk.home, {}).settings
            terms = Terms(desk.box, spool, watch=0.01)
            work = threading.Thread(
                target=lambda: listen(desk.box, settings, nudged.set, stop.is_set, terms, again=0.05)
            )
            running = Running(at, nudged, stop, work)
            work.start()
            stack.callback(running.end)
            return running

        yield start
