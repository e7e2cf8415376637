"""Senders that hand mail over by SMTP, and repeat each until its 250: what a 250 was said to must be there for good."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from tests.faults.mailbox import Probe
from tests.faults.oracle import subject_of
from tests.faults.place import Place, mail
from tests.faults.warm import wait_until
from tests.support.listening import Sender

SENDERS = 4
UNTIL_S = 60


@dataclass
class Post:
    """Senders that deliver mails to a port until each has its 250, and begin again whenever something breaks.

    ``probe``: asked about each mail at its 250; ``early`` holds what was not durable by then. ``broken``: tries without one.
    """

    port: int
    senders: int = 1
    probe: Probe = lambda _raw: ""
    accepted: list[bytes] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    broken: int = 0
    _number: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, until: Callable[[], bool]) -> None:
        """Deliver mails by all senders until told to end; a mail that was begun gets its 250."""
        threads = [threading.Thread(target=self._send, args=(until,)) for _ in range(self.senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(UNTIL_S)

    @contextlib.contextmanager
    def sending(self, until: Callable[[], bool] = lambda: False) -> Iterator[threading.Thread]:
        """The same beside a block, till its end at the latest."""
        done = threading.Event()
        thread = threading.Thread(target=self.send, args=(lambda: done.is_set() or until(),))
        thread.start()
        try:
            yield thread
        finally:
            done.set()
            thread.join(UNTIL_S)

    def wait_for_more(self, gone: Callable[[], bool]) -> None:
        """Until a mail was accepted (a listener that dies before that is given time by its parent), or who takes it is gone."""
        before = len(self.accepted)
        wait_until(lambda: len(self.accepted) > before or gone(), UNTIL_S, every=0.002)

    def _send(self, until: Callable[[], bool]) -> None:
        while not until():
            with self._lock:
                raw = mail(next(self._number))
            self._deliver(raw)

    def _deliver(self, raw: bytes) -> None:
        end = time.monotonic() + UNTIL_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError, AssertionError):
                sender = Sender(self.port)
                try:
                    sender.greet()
                    if sender.deliver(raw).startswith("250"):
                        self._note(raw)
                        return
                finally:
                    sender.close()
            self.broken += 1
            time.sleep(0.02)

    def _note(self, raw: bytes) -> None:
        missing = self.probe(raw)
        with self._lock:
            self.accepted.append(raw)
            if missing:
                self.early.append(f"{subject_of(raw)}: 250 before it was durable ({missing})")


def faults(place: Place, post: Post) -> list[str]:
    """What is not as it must be: each accepted mail has a row and one activity; more rows are duplicates."""
    rows = Counter(checksum for checksum, _verdict, _attempts in place.messages())
    activities = place.activities()
    wrong = [f"{subject_of(raw)}: lost" for raw in post.accepted if rows[sha256(raw).hexdigest()] < 1]
    wrong += [f"{name}: {number} activities" for name, number in activities.items() if number != 1]
    wrong += [f"{subject_of(raw)}: no activity" for raw in post.accepted if activities[subject_of(raw)] != 1]
    wrong += [f"left behind: {path.name}" for path in place.backup() if path.suffix != ".eml"]
    wrong += [
        f"a mail is {verdict or 'waiting'}"
        for _checksum, verdict, _attempts in place.messages()
        if verdict not in ("processed", "duplicate")
    ]
    return [*post.early, *wrong, *place.ledger()["differences"]]
