"""Workers forked from a warm parent: everything is imported once, so that thousands of deaths are affordable.

``python -m tests.faults.warm`` reads an order a line (JSON) and answers each with a line. It is a process of its own: who
forks must have no thread, no connection and no server, and the tests have all of them. The workers are the service's own
(``service.worker``), forked by the service's own code (``service.child``).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmservice.config import Box
    from crmservice.service.child import ForkedChild, Life

ROOT = Path(__file__).resolve().parents[2]
BETWEEN = 0.05
"""Seconds between two rounds of a worker, and after a fault: what takes minutes in service takes moments here."""


@dataclass(frozen=True)
class Order:
    """A worker that is wanted. ``ports``: of the mail servers on this machine that its box fetches from in plain text.

    ``before``: how the worker before it ended. ``waits``: seconds for a connection, the next bytes, a session in all.
    ``ahead``: so many seconds its clock is ahead. ``held``: it stops itself (SIGSTOP) before it begins.
    ``listens``: the box's listener (SMTP) is wanted, not its worker.
    """

    home: str
    ports: dict[str, int] = field(default_factory=dict)
    before: str = "nothing"
    poll: float = BETWEEN
    waits: tuple[float, float, float] = (5.0, 5.0, 30.0)
    ahead: float = 0.0
    held: bool = False
    listens: bool = False


@dataclass(frozen=True)
class Ended:
    """How a worker ended: see ``service.child.End``."""

    code: int
    finished: bool
    went_on: bool


class Forked:
    """A worker at work. It stays a zombie until ``reap``, so that its number is its own."""

    def __init__(self, warm: Warm, pid: int) -> None:
        self._warm, self.pid = warm, pid
        self._end: Ended | None = None

    def signal(self, number: int) -> None:
        """Send it a signal, dead or not."""
        os.kill(self.pid, number)

    def ended(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        if self._end is not None:
            return True
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)

    def reap(self) -> Ended:
        """How it ended; waits for it."""
        if self._end is None:
            self._end = Ended(**self._warm.ask("reap", pid=self.pid))
        return self._end

    def kill(self) -> Ended:
        """SIGKILL."""
        if self._end is None:
            self.signal(signal.SIGKILL)
        return self.reap()

    def stop(self) -> Ended:
        """SIGTERM, which it has to heed."""
        self.tell()
        return self.reap()

    def tell(self, seconds: float = 10.0) -> None:
        """SIGTERM, and wait so many seconds for its end."""
        if self._end is None:
            self.signal(signal.SIGTERM)
            assert self.ended(seconds), f"told to end, it goes on after {seconds} s"


class Warm:
    """The warm parent, seen from the tests. ``log``: what its workers say. ``source``: another tree of the package."""

    def __init__(self, log: Path, source: Path | None = None) -> None:
        self.log = log
        env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        paths = [str(source)] if source else []
        env["PYTHONPATH"] = os.pathsep.join([*paths, str(ROOT)])
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.warm"],
                cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            )  # fmt: skip

    def start(self, order: Order) -> Forked:
        """Start a worker."""
        return Forked(self, int(self.ask("work", **asdict(order))["pid"]))

    def ledger(self, home: Path) -> dict[str, Any]:
        """What ``crmservice ledger --json`` says."""
        return self.ask("ledger", home=str(home))

    def ask(self, what: str, **facts: object) -> dict[str, Any]:
        """Give an order and wait for its answer."""
        pipe = self._process
        assert pipe.stdin is not None
        assert pipe.stdout is not None
        pipe.stdin.write(json.dumps({"do": what, **facts}) + "\n")
        pipe.stdin.flush()
        answer = pipe.stdout.readline()
        assert answer, f"the warm parent is gone: {self.said()}"
        return dict(json.loads(answer))

    def said(self) -> str:
        """What the workers wrote on their standard streams."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End it, and with it whoever still works."""
        with self._process as process:
            process.kill()


@contextmanager
def warm_parent(log: Path, source: Path | None = None) -> Iterator[Warm]:
    """A warm parent for a block."""
    parent = Warm(log, source)
    try:
        yield parent
    finally:
        parent.close()


def wait_until(happened: Callable[[], bool], seconds: float, every: float = 0.01) -> bool:
    """Whether it happens in so many seconds."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


# What runs in the warm parent and its workers


def _work(order: Order, life: Life) -> int:
    from crmservice.service import wiring
    from crmservice.service.wake import Wake
    from crmservice.service.worker import Pace, Worker
    from crmservice.tls import Timeouts

    found = wiring.configured(Path(order.home))
    box, wake = _reached(found.boxes[0], order), Wake()
    if order.listens:
        from crmservice.service.listening import Listener

        return Listener(box, found.settings, lambda: None, life).run()
    life.stop._wake = wake  # the parent of the service gives it at the birth
    if order.ahead:
        _jump(timedelta(seconds=order.ahead))
    pace = Pace(look=BETWEEN, held=BETWEEN, timeouts=Timeouts(*order.waits))
    return Worker(box, found.settings, life, wake, _say, wiring.now, pace).run()


def _jump(ahead: timedelta) -> None:
    """The clock of this worker jumps."""
    from crmservice.service import wiring
    from crmservice.store import bulk

    def now() -> datetime:
        return datetime.now(UTC) + ahead

    wiring.now = bulk.now = now


def _reached(box: Box, order: Order) -> Box:
    """The box, its servers reached in plain text: that only port 110 and 143 mean it is ``config``'s to know."""
    from crmservice.config import Endpoint

    ends = {protocol: Endpoint("127.0.0.1", port, "plain") for protocol, port in order.ports.items()}
    return replace(box, poll_seconds=order.poll, **ends)  # type: ignore[arg-type]  # pop3, imap, poll_seconds


def _say(words: object, _fault: bool) -> None:
    sys.stderr.write(f"{words}\n")


LOADED = (
    "service.listening", "service.rounds", "service.verifying", "service.worker", "sources.eml_folder", "sources.imap",
    "sources.pop3", "sources.smtp_in.session", "store.gateway", "store.inbox", "store.lease",
)  # fmt: skip
"""What workers use and load late."""


def _load() -> None:
    """Everything that workers need; and a reader that some mails break."""
    from crmservice import bootstrap

    bootstrap.prepare()
    from tests.faults import poison

    poison.plant()
    for name in LOADED:
        importlib.import_module(f"crmservice.{name}")
    gc.collect()
    gc.freeze()


def _forked(work: Callable[[Life], int], before: str, *, held: bool) -> ForkedChild:
    from crmservice.service.child import Before, ForkedChild

    def first() -> None:
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if held:
            os.kill(os.getpid(), signal.SIGSTOP)

    return ForkedChild(work, Before(before), first=first)


def _write_ledger(home: Path, out: int) -> int:
    from crmservice.service import wiring

    told = wiring.ledger(home, quick=False)
    told["differences"] = [str(one) for one in told["differences"]]
    with os.fdopen(out, "w") as stream:
        json.dump(told, stream)
    return 0


class Parent:
    """Carries orders out, in the warm parent."""

    def __init__(self) -> None:
        self._children: dict[int, ForkedChild] = {}

    def work(self, **facts: Any) -> dict[str, object]:
        order = Order(**facts)
        child = _forked(lambda life: _work(order, life), order.before, held=order.held)
        self._children[child.pid] = child
        return {"pid": child.pid}

    def reap(self, pid: int) -> dict[str, object]:
        return asdict(self._children.pop(pid).wait())

    def ledger(self, home: str) -> dict[str, object]:
        ours, theirs = os.pipe()
        child = _forked(lambda _life: _write_ledger(Path(home), theirs), "nothing", held=False)
        os.close(theirs)
        with os.fdopen(ours) as stream:
            told = stream.read()
        child.wait()
        return dict(json.loads(told))


def main(orders: IO[str], answers: IO[str]) -> None:
    _load()
    parent = Parent()
    for line in orders:
        facts = json.loads(line)
        answers.write(json.dumps(getattr(parent, facts.pop("do"))(**facts)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
