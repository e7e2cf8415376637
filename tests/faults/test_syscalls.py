"""Death, or a failing disk, at every single system call that makes a mail durable (TRUST.md C2, C5, C6).

strace strikes at the n-th call of a worker; the next one, or the same one later, is left alone.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.fixtures import Figures
from tests.faults.order import Order
from tests.faults.scene import PATIENCE_S, Scene, new_seed, scene
from tests.faults.strace import CALLS, beside, calls, made
from tests.faults.warm import Warm, wait_until

PROTOCOLS = ("pop3", "imap", "emlDir")
MAILS = 5
DURABLE = "fsync,fdatasync,renameat,rename,unlink,unlinkat,truncate,ftruncate,write,pwrite64"
AT_DEATH = f"{DURABLE},sendto"
FAILURES = [("fsync,fdatasync", "EIO"), (DURABLE, "ENOSPC")]
NUMBERS = {"EIO": "C6", "ENOSPC": "C5"}

SAMPLE = 4
"""So many calls of each protocol in ``make check``; each of them in the long run."""
PAIRS = 500
"""Deaths during the recovery from a death, in the long run."""

_NO_FILE = re.compile(r"\(\d+<(?:socket|pipe):.*INJECTED")
"""No disk is behind a socket or a pipe."""

Strike = tuple[str, int]
"""A system call, and which of its calls: strace counts each kind on its own."""

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("traces")]


@pytest.fixture(params=PROTOCOLS)
def striking(request: pytest.FixtureRequest, warm: Warm, template: Path, tmp_path: Path) -> Striking:
    return Striking(warm, template, tmp_path, request.param)


class Striking:
    """Makes scenes of five mails, one after another, and strikes in each."""

    def __init__(self, warm: Warm, template: Path, folder: Path, protocol: str) -> None:
        self._warm, self._template, self._folder, self.protocol = warm, template, folder, protocol
        self._made = 0
        self.seed = new_seed()
        self.chance = random.Random(self.seed)
        self.trace = folder / "trace"

    def strikes(self, names: str) -> list[Strike]:
        """Every such call that an undisturbed worker makes."""
        with self._scene() as scene:
            self._run(scene, "-e", f"trace={names}")
            assert scene.place.faults() == []
        return made(self.trace, names)

    def deaths(self, *strikes: Strike) -> int:
        """Workers that die one after another, then one that is left alone; how many died.

        It may not come to a call: SQLite writes a page more in one run than in another.
        """
        with self._scene() as scene:
            for name, number in strikes:
                self._run(scene, "-e", f"trace={name}", "-e", f"inject={name}:signal=SIGKILL:when={number}")
            assert scene.settle() == [], f"after death at {strikes}, seed {self.seed}"
            return scene.kills

    def failure(self, strike: Strike, error: str) -> list[str]:
        """A call fails once. The worker goes on by itself; what is wrong in the end, or with the order of its calls."""
        name, number = strike
        with self._scene() as scene:
            self._run(
                scene,
                "-y",
                "-s",
                "100000",
                "-e",
                f"trace={CALLS},{name}",
                "-e",
                f"inject={name}:error={error}:when={number}",
            )
            with self.trace.open(errors="replace") as lines:
                wrong = Order().read(calls(lines)).wrong
            if _NO_FILE.search(self.trace.read_text(errors="replace")):
                return []
            unforeseen = [line for line in scene.place.log() if "unexpected fault" in line]
            return [*wrong, *scene.place.faults(), *unforeseen]

    def _run(self, scene: Scene, *strace: str) -> None:
        """A worker, to its death or till all is done."""
        worker = scene.start(held=True)
        with beside(worker.pid, *strace, "-o", str(self.trace)):
            assert wait_until(lambda: worker.ended(0) or scene.quiet(), PATIENCE_S), self._warm.said()[-2000:]
            scene.kills += worker.ended(0)
            worker.tell()
        scene.gone(worker.reap())

    @contextmanager
    def _scene(self) -> Iterator[Scene]:
        self._made += 1
        home = self._folder / f"home{self._made}"
        with scene(self._warm, self._template, home, self.protocol, self.seed, twice=0, broken=0, large=0) as made:
            made.fill(MAILS)
            yield made
            shutil.rmtree(home)

    def some(self, strikes: Sequence[Strike], count: int = SAMPLE) -> list[Strike]:
        """A sample of them."""
        return self.chance.sample(strikes, count)


def test_death_at_a_call_loses_nothing(striking: Striking, figures: Figures) -> None:
    strikes = striking.strikes(AT_DEATH)
    deaths = sum(striking.deaths(strike) for strike in striking.some(strikes))
    deaths += striking.deaths(*striking.some(strikes, 2))
    figures("C2", f"{striking.protocol}: {deaths} deaths at {SAMPLE + 2} of {len(strikes)} calls, 0 faults")
    assert deaths > 0


@pytest.mark.slow
def test_death_at_any_call_loses_nothing(striking: Striking, figures: Figures) -> None:
    strikes = striking.strikes(AT_DEATH)
    deaths = sum(map(striking.deaths, strikes))
    figures("C2", f"{striking.protocol}: {deaths} deaths at each of {len(strikes)} calls, 0 faults")
    assert deaths > 0.9 * len(strikes)


@pytest.mark.slow
def test_death_in_the_recovery_from_death_loses_nothing(striking: Striking, figures: Figures) -> None:
    strikes = striking.strikes(AT_DEATH)
    count = PAIRS // len(PROTOCOLS) + 1
    deaths = sum(striking.deaths(*striking.some(strikes, 2)) for _ in range(count))
    figures("C2", f"{striking.protocol}: {deaths} deaths in {count} pairs, 0 faults")
    assert deaths > count


@pytest.mark.parametrize(("names", "error"), FAILURES)
def test_a_call_that_fails_loses_nothing(names: str, error: str, striking: Striking, figures: Figures) -> None:
    strikes = striking.strikes(names)
    assert _failures(striking, striking.some(strikes), error) == {}
    figures(NUMBERS[error], f"{striking.protocol}: {error} at {SAMPLE} of {len(strikes)} calls, 0 faults")


@pytest.mark.slow
@pytest.mark.parametrize(("names", "error"), FAILURES)
def test_whichever_call_fails_nothing_is_lost(names: str, error: str, striking: Striking, figures: Figures) -> None:
    strikes = striking.strikes(names)
    assert _failures(striking, strikes, error) == {}
    figures(NUMBERS[error], f"{striking.protocol}: {error} at each of {len(strikes)} calls, 0 faults")


def _failures(striking: Striking, strikes: Sequence[Strike], error: str) -> dict[Strike, list[str]]:
    """What is wrong after a failure at each of these calls."""
    found = {strike: striking.failure(strike, error) for strike in strikes}
    return {strike: wrong for strike, wrong in found.items() if wrong}
