"""The listener's death at any moment, and at every system call that makes a mail durable (TRUST.md C1, C2, C5, C6)."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.fixtures import Figures
from tests.faults.mailbox import durable_in
from tests.faults.order import Order as Read
from tests.faults.place import make_place
from tests.faults.scene import PATIENCE_S, new_seed
from tests.faults.senders import SENDERS, Post, faults
from tests.faults.strace import CALLS, beside, calls, made
from tests.faults.test_syscalls import AT_DEATH, FAILURES, NUMBERS, Strike
from tests.faults.warm import Order, Warm, wait_until
from tests.support.dovecot import free_port

KILLS = 15
KILLS_IN_FULL = 1010
WITHIN = (0.02, 0.1)
MAILS = 5
SAMPLE = 4
DEATHS = 6

pytestmark = pytest.mark.server
needs_strace = pytest.mark.usefixtures("traces")


class Listening:
    """A box that is handed its mail, and a sender for it. ``seed``: plays it again."""

    def __init__(self, warm: Warm, template: Path, home: Path, senders: int) -> None:
        port = free_port()
        self.place = make_place(template, home, {"smtpListen": f"127.0.0.1:{port}"})
        self.place.warm = self._warm = warm
        self.post = Post(port, senders, durable_in(home))
        self._order = Order(str(home), listens=True)

    def killed(self, chance: random.Random, kills: int) -> int:
        """Kill listeners while mail is handed over, then let one work undisturbed; how many were killed."""
        done = 0
        with self.post.sending() as sending:
            while done < kills:
                listener = self._warm.start(self._order)
                self.post.wait_for_more(lambda listener=listener: listener.ended(0))  # type: ignore[misc]
                listener.ended(chance.uniform(0, chance.choice(WITHIN)))
                done += not listener.ended(0)
                listener.kill()
            listener = self._warm.start(self._order)
            self.post.wait_for_more(lambda: not sending.is_alive())
        listener.stop()
        return done

    def struck(self, trace: Path, *strace: str) -> bool:
        """Hand over five mails while strace strikes at a listener; another one follows if it dies. Whether it did."""
        first = last = self._warm.start(Order(str(self.place.home), listens=True, held=True))
        with beside(first.pid, *strace, "-o", str(trace)):
            with self.post.sending(lambda: len(self.post.accepted) >= MAILS) as sending:
                assert wait_until(lambda: first.ended(0) or not sending.is_alive(), PATIENCE_S), self._warm.said()
                if died := first.ended(0):
                    last = self._warm.start(self._order)
                sending.join(PATIENCE_S)
            first.tell()
        first.reap()
        last.stop()
        assert len(self.post.accepted) == MAILS
        return died

    def wrong(self) -> list[str]:
        """Let a worker file what was handed over; what is wrong then."""
        worker = self._warm.start(Order(str(self.place.home)))
        wait_until(lambda: all(verdict for _checksum, verdict, _attempts in self.place.messages()), PATIENCE_S)
        worker.stop()
        return faults(self.place, self.post)


@pytest.mark.parametrize("kills", [KILLS, pytest.param(KILLS_IN_FULL, marks=pytest.mark.slow)])
def test_a_listener_killed_at_any_moment_loses_nothing_that_had_its_250(
    kills: int, warm: Warm, template: Path, tmp_path: Path, figures: Figures
) -> None:
    chance = random.Random(seed := new_seed())
    box = Listening(warm, template, tmp_path / "home", SENDERS)
    done = box.killed(chance, kills)
    wrong = box.wrong()
    doubled = len(box.place.messages()) - len(box.post.accepted)
    figures(
        "C1",
        f"SMTP: {done} kills, {len(box.post.accepted)} mails, {box.post.broken} tries without a 250,"
        f" {doubled} came twice and were recognised, {len(wrong)} faults",
    )
    assert wrong == [], f"CRM_TEST_SEED={seed}"


class Strikes:
    """Makes boxes that get five mails each, one after another, and strikes in each."""

    def __init__(self, warm: Warm, template: Path, folder: Path) -> None:
        self._warm, self._template, self._folder = warm, template, folder
        self._count = 0
        self.trace = folder / "trace"
        self.chance = random.Random(new_seed())

    @contextmanager
    def box(self) -> Iterator[Listening]:
        self._count += 1
        home = self._folder / f"home{self._count}"
        yield Listening(self._warm, self._template, home, 1)
        shutil.rmtree(home)

    def all(self, names: str) -> list[Strike]:
        """Every such call that an undisturbed listener makes."""
        with self.box() as box:
            box.struck(self.trace, "-e", f"trace={names}")
            assert box.wrong() == []
        return made(self.trace, names)

    def death(self, strike: Strike) -> bool:
        """Whether the listener died at this call; nothing may be wrong then."""
        name, number = strike
        with self.box() as box:
            died = box.struck(self.trace, "-e", f"trace={name}", "-e", f"inject={name}:signal=SIGKILL:when={number}")
            assert box.wrong() == [], f"after death at {strike}"
            return died

    def failure(self, strike: Strike, error: str) -> list[str]:
        """The call fails once; what is wrong in the end, or with the order of the calls."""
        name, number = strike
        wishes = ("-e", f"trace={CALLS},{name}", "-e", f"inject={name}:error={error}:when={number}")
        with self.box() as box:
            box.struck(self.trace, "-y", "-s", "100000", *wishes)
            with self.trace.open(errors="replace") as lines:
                order = Read().read(calls(lines))
            return [*order.wrong, *box.wrong()]


@pytest.fixture
def strikes(warm: Warm, template: Path, tmp_path: Path) -> Strikes:
    return Strikes(warm, template, tmp_path)


def _some(strikes: Strikes, of: Sequence[Strike], count: int) -> Sequence[Strike]:
    return strikes.chance.sample(of, count) if count else of


@needs_strace
@pytest.mark.parametrize("count", [DEATHS, pytest.param(0, marks=pytest.mark.slow)])
def test_a_listener_that_dies_at_a_call_loses_nothing(count: int, strikes: Strikes, figures: Figures) -> None:
    calls = strikes.all(AT_DEATH)
    deaths = tried = 0
    for strike in _some(strikes, calls, len(calls)):
        deaths, tried = deaths + strikes.death(strike), tried + 1
        if count and deaths == count:  # a sample goes on until so many died: to every eighth call it doesn't come again
            break
    figures("C2", f"SMTP: {deaths} deaths at {tried} of {len(calls)} calls, 0 faults")
    assert deaths > 0.5 * tried


@needs_strace
@pytest.mark.parametrize("count", [SAMPLE, pytest.param(0, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("names", "error"), FAILURES)
def test_a_call_of_a_listener_that_fails_loses_nothing(
    names: str, error: str, count: int, strikes: Strikes, figures: Figures
) -> None:
    calls = strikes.all(names)
    tried = _some(strikes, calls, count)
    assert {strike: wrong for strike in tried if (wrong := strikes.failure(strike, error))} == {}
    figures(NUMBERS[error], f"SMTP: {error} at {len(tried)} of {len(calls)} calls, 0 faults")
