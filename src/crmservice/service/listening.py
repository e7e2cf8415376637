"""The listener of a box: a process of its own beside the box's worker, which it wakes when mail came (``smtpListen``).

What senders hand over goes the one road of ``Capture``: backup durable, row durable, only then 250. Filing is the
worker's work.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crmservice.backup.in_flight import PRIVATE
from crmservice.config import Box, Settings
from crmservice.errors import CrmServiceError
from crmservice.notices import note
from crmservice.service import wiring
from crmservice.service.capture import Capture
from crmservice.service.child import Life
from crmservice.service.limits import limit_memory
from crmservice.service.log import ServiceLog
from crmservice.sources.smtp_in import CantListen
from crmservice.sources.smtp_in.server import bound, serve
from crmservice.sources.smtp_in.terms import Terms

SOURCE = "smtp"
DONE = 0
AGAIN_S = 10.0

Stop = Callable[[], bool]
Nudge = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Listener:
    """The listener as a child of the service. ``nudge`` wakes the box's worker."""

    box: Box
    settings: Settings
    nudge: Nudge
    life: Life

    def run(self) -> int:
        """Until asked to end; returns 0."""
        self.life.stop.listen()
        limit_memory()
        listen(self.box, self.settings, self._came, self.life.stop)
        return DONE

    def _came(self) -> None:
        with contextlib.suppress(OSError):  # the mail is durable, whoever can't be told
            self.nudge()
            self.life.went_on()


def made_of(box: Box) -> object:
    """What of a box its listener is made of: where nothing of it changes, senders need not be sent away for a moment."""
    return (
        box.email, box.our_domains, box.zone, box.smtp_listen, box.smtp_listen_networks, box.smtp_listen_cert,
        box.smtp_listen_key, box.allow_insecure, box.max_message_bytes,
    )  # fmt: skip


def listen(
    box: Box, settings: Settings, nudge: Nudge, stop: Stop, terms: Terms | None = None, again: float = AGAIN_S
) -> None:
    """Take the box's mail until ``stop`` says so. ``nudge`` is called when mail came, in another thread.

    A port that is taken is tried again after ``again`` seconds.
    """
    from crmservice.store import database

    database.connect(settings.home, settings.database)
    log = ServiceLog(settings.home, settings.zone, wiring.now, settings.log)

    def tell(text: str) -> None:
        log.notice(f"{box.name} {SOURCE}: {text}")

    def wrong(fault: CantListen) -> None:
        log.error(f"{box.name} {SOURCE}: {fault}")  # noqa: G004 (our own log, one line a fault)
        threading.Thread(target=_note, args=(box, fault)).start()  # the database may let us wait

    sock = _listening(box, wrong, stop, again)
    if sock is None:
        return
    with sock:
        tell(f"listening at {box.smtp_listen}")
        store = HandedOver(box, settings, nudge)
        asyncio.run(serve(sock, terms or Terms(box, _spool(settings.home)), store, tell, wrong, stop))


def _note(box: Box, fault: CantListen) -> None:
    """Note for ``errorTo`` what is wrong, where the database is there for it. Has a thread of its own."""
    from crmservice.store import database

    with contextlib.suppress(CrmServiceError):
        database.migrate()
        note(fault.notice, box.name, box.smtp_listen, fault=fault.words)
    database.disconnect()


def _listening(box: Box, wrong: Callable[[CantListen], None], stop: Stop, again: float) -> socket.socket | None:
    """The bound socket, as soon as it can be had; None where we are stopped before."""
    told = ""
    while not stop():
        try:
            return bound(box.smtp_listen)
        except CantListen as fault:
            if str(fault) != told:
                told = str(fault)
                wrong(fault)
        end = time.monotonic() + again
        while not stop() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.25))
    return None


def _spool(home: Path) -> Path:
    """Where large messages wait, beside the locks: it is the service's alone."""
    folder = home / PRIVATE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class HandedOver:
    """The store that senders' mail goes to (``smtp_in.commit.Store``). It is used in one thread, with its connection.

    It has a lease and a note of what is in flight of its own, beside the worker's. No box has a ``/`` in its name.
    """

    def __init__(self, box: Box, settings: Settings, nudge: Nudge) -> None:
        self._box, self._settings, self._nudge = box, settings, nudge
        self._capture: Capture | None = None
        self._release: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Take the lease, and tidy up after a listener that died. Raises CrmServiceError."""
        self._ready().tidy()

    def take(self, mails: Sequence[bytes]) -> list[int]:
        """Make messages durable, then wake the worker. Raises CrmServiceError: then nothing of them is kept."""
        from crmservice.store.lease import LeaseLost

        try:
            ids = self._ready().receive(self._box, SOURCE, mails)
        except LeaseLost:
            self._capture = None
            raise
        self._nudge()
        return ids

    def end(self) -> None:
        """Give the lease back, and the connection."""
        from crmservice.store import database

        with contextlib.suppress(CrmServiceError):
            self._release()
        database.disconnect()

    def _ready(self) -> Capture:
        if self._capture is None:
            self._capture = self._prepared()
        return self._capture

    def _prepared(self) -> Capture:
        """Raises DatabaseUnavailable where the database is away, LeaseHeld where another listener has the box."""
        from crmservice.store import database, lease
        from crmservice.store.inbox import StoreInbox

        database.migrate()
        name = f"{self._box.name}/{SOURCE}"
        self._release()
        held = lease.take(name)
        self._release = held.release
        return Capture(StoreInbox(held), wiring.raw_mail(self._settings, name), wiring.now)
