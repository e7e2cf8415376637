"""A home with its mailbox, and the workers that come and go there while something is done to them."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from crmservice.service.child import End
from crmservice.service.supervise import Record
from crmservice.sources.eml_folder import LOOK_AGAIN_SECONDS
from tests.faults import poison
from tests.faults.mailbox import Folder, Mailbox, durable_in
from tests.faults.place import Place, mail, make_place
from tests.faults.warm import Ended, Forked, Order, Warm, wait_until

PATIENCE_S = 60.0
"""So long the last worker may take, on a machine that does much else; what counts are its rounds."""

ANSWERS_AFTER_S = 0.03
"""So long a server takes to say that mail is deleted, so that some deaths fall in between."""

FRUITLESS = 4
"""After so many deaths in a row at which nothing was filed a worker has the time to file something: whoever dies ten times at
one mail sets it aside, and on a busy machine a short life is over before the first verdict."""

LINE = "An attachment's line, or something like it, follows here.\r\n"


@dataclass
class Mails:
    """Mail as TRUST.md C1 wants it: of a hundred two come twice, one breaks its reader, five are larger than a megabyte."""

    chance: random.Random
    twice: float = 0.02
    broken: float = 0.01
    large: float = 0.05
    made: int = field(default=0, init=False)

    def some(self, count: int) -> list[bytes]:
        """So many new mails, and what comes twice of them."""
        return [raw for _ in range(count) for raw in self._one()]

    def _one(self) -> Sequence[bytes]:
        self.made += 1
        what = self.chance.random()
        if (what := what - self.broken) < 0:
            how = self.chance.choice(("crash", "exit", "memory", "recursion"))
            return [mail(self.made, extra=f"{poison.HEADER.decode()}{how}\r\n")]
        if (what := what - self.twice) < 0:
            return [mail(self.made)] * 2
        return [mail(self.made, body=LINE * 20_000) if what < self.large else mail(self.made)]


@dataclass
class Scene:
    """``order``: what its workers are told. ``left``: what deaths left half done, how often. ``seed``: plays it again."""

    warm: Warm
    place: Place
    mailbox: Mailbox
    order: Order
    seed: int
    chance: random.Random
    mails: Mails
    kills: int = 0
    deaths: int = 0
    left: Counter[str] = field(default_factory=Counter)
    _record: Record = field(default_factory=Record)
    _before: str = "nothing"
    _filed: int = 0
    _fruitless: int = 0

    def fill(self, waiting: int) -> None:
        """Let mail arrive until so many wait."""
        self.place.deliver(self.mails.some(max(0, waiting - len(self.mailbox.left()))))

    def start(self, **more: object) -> Forked:
        """A worker that knows how the last one ended."""
        self.mailbox.called.clear()
        return self.warm.start(replace(self.order, before=self._before, **more))  # type: ignore[arg-type]  # fields of Order

    def at_work(self, within: float, **more: object) -> Forked:
        """A worker some time, at most so many seconds, after its first word to the server: how long it takes to get
        there is the machine's affair. One of ten is younger.
        """
        filed = self.filed()
        self._fruitless = self._fruitless + 1 if filed == self._filed else 0
        self._filed = filed
        worker = self.start(**more)
        if self._fruitless > FRUITLESS:
            wait_until(lambda: self.filed() > filed or worker.ended(0) or self.quiet(), PATIENCE_S)
        if not self.order.ports:
            within += LOOK_AGAIN_SECONDS * 2  # nobody sees when it looks into the folder
        elif self.chance.random() < 0.9:
            self.mailbox.called.wait(PATIENCE_S)
        worker.ended(self.chance.uniform(0, within))
        return worker

    def kill(self, worker: Forked) -> None:
        """Kill it alone, or the whole service with it."""
        self.kills += not worker.ended(0)
        self.gone(worker.kill())
        if self.chance.random() < 0.5:
            self._record, self._before = Record(), "nothing"
        self.left += self._half_done()

    def gone(self, end: Ended) -> None:
        """What the next worker is told."""
        self._before = self._record.took(End(end.code, end.finished, end.went_on)).value
        self.deaths += not end.finished and end.code != -signal.SIGKILL

    def off(self, end: Ended) -> None:
        """The machine went off: whatever its worker died of, nobody is told. At the cut a page of a file may be out of reach,
        which kills by SIGBUS.
        """
        self.kills += 1
        self.deaths += not end.finished and end.code not in (-signal.SIGKILL, -signal.SIGBUS)
        self._record, self._before = Record(), "nothing"

    def settle(self, patience: float = PATIENCE_S) -> list[str]:
        """Let a worker work until all is filed, and end it; what is wrong then, or after so many seconds."""
        until = time.monotonic() + patience
        worker = self.start()
        while not self.quiet():
            if worker.ended(0.01):
                self.gone(worker.reap())  # a mail that breaks its reader took it along
                worker = self.start()
            if time.monotonic() > until:
                self.gone(worker.kill())
                return [f"not filed after {patience:g} s: {self._open()}", *self.place.faults()]
        end = worker.stop()
        wrong = self.place.faults()
        return (
            wrong
            if end.code in (0, -signal.SIGTERM)
            else [f"told to end, it left with {end}: {self.warm.said()[-2000:]}", *wrong]
        )

    def quiet(self) -> bool:
        """Whether nothing waits anywhere."""
        return not self.mailbox.left() and not self._waiting()

    def filed(self) -> int:
        """How many mails have their verdict."""
        return sum(bool(verdict) for _checksum, verdict, _attempts in self.place.messages())

    def _waiting(self) -> int:
        return sum(not verdict for _checksum, verdict, _attempts in self.place.messages())

    def _open(self) -> str:
        return f"{len(self.mailbox.left())} in the mailbox, {self._waiting()} in the inbox; {self.warm.said()[-2000:]}"

    def _half_done(self) -> Counter[str]:
        """What a death left unfinished."""
        rows = self.place.query("SELECT verdict, attempts, gone FROM crm_message")
        names = [path.name for path in self.place.backup()]
        kept = sum(name.endswith(".eml") for name in names)
        return Counter({
            "temporary files": len(names) > kept,
            "files without a row": kept > len(rows),
            "deletions unconfirmed": any(not gone for _verdict, _attempts, gone in rows),
            "mail waiting": any(not verdict for verdict, _attempts, _gone in rows),
            "attempts begun": any(not verdict and attempts for verdict, attempts, _gone in rows),
        })  # fmt: skip


def new_seed() -> int:
    """A seed, or the one that is wanted again (``CRM_TEST_SEED``)."""
    return int(os.environ.get("CRM_TEST_SEED") or random.randrange(1_000_000_000))


@contextmanager
def scene(
    warm: Warm, template: Path, home: Path, protocol: str, seed: int | None = None, **mails: float
) -> Iterator[Scene]:
    """A home made of the template, its box, and a server over ``protocol``; or ``emlDir``, a folder.

    The POP3 server numbers its slots: a UIDL means another mail tomorrow.
    """
    seed = new_seed() if seed is None else seed
    chance = random.Random(seed)
    mailbox = Mailbox(durable_in(home), reuses=protocol == "pop3", answers_after=ANSWERS_AFTER_S)
    url = {"Url": "127.0.0.1:995", "Name": "crm", "Password": "S3CR3T-CANARY-7f"}  # the order names the real port
    keys: dict[str, str | list[str]] = {f"{protocol}{key}": value for key, value in url.items()}
    if protocol == "emlDir":
        mailbox = Folder(path=home.with_suffix(".in"))
        mailbox.path.mkdir()
        keys = {"emlDir": str(mailbox.path)}
    place = make_place(template, home, keys, mailbox)
    place.warm = warm
    with mailbox.served(protocol) as ports:
        yield Scene(warm, place, mailbox, Order(str(home), ports), seed, chance, Mails(chance, **mails))
