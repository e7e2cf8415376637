"""Death, or a failing disk, at every single system call that makes a mail durable (TRUST.md C2, C5, C6).

strace strikes at the n-th call of the worker itself; then comes one undisturbed cycle.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.place import Place, environment, mail, make_place

MAILS = 3
CALLS = "fsync,fdatasync,renameat,rename,unlink,unlinkat,truncate,ftruncate,write,pwrite64"
FAILURES = [("fsync,fdatasync", "EIO"), (CALLS, "ENOSPC")]
SAMPLE = 8
"""So many calls in ``make check``; each of them in the long run."""

WORKER = """
import sys
from pathlib import Path
from crmservice.cli.speaking import spoken
from crmservice.service import cycle
home = Path(sys.argv[1])
sys.exit(spoken(lambda: cycle.run(home, once=True, died=False, say=lambda _text, _fault: None)))
"""

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: make servers"),
]


def _worker(place: Place, *strace: str) -> subprocess.CompletedProcess[str]:
    """A cycle in one process, as the supervised worker does it; with strace beside it where it is told what to do."""
    home = str(place.home)
    beside = ["strace", "-o", f"{home}.trace", *strace] if strace else []
    command = [*beside, sys.executable, "-c", WORKER, home]
    env = environment(PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


def _place(template: Path, folder: Path) -> Place:
    (folder / "in").mkdir(parents=True)
    place = make_place(template, folder / "home", {"emlDir": str(folder / "in")})
    for number in range(MAILS):
        place.sent.append(mail(number))
        (folder / "in" / f"{number}.eml").write_bytes(place.sent[-1])
    return place


Strike = tuple[str, int]
"""A system call and which of its calls: strace counts each kind on its own."""


def _strikes(template: Path, folder: Path, names: str) -> list[Strike]:
    """Every such call that an undisturbed cycle makes."""
    place = _place(template, folder)
    done = _worker(place, "-e", f"trace={names}")
    assert done.returncode == 0, done.stderr
    made = Counter(line.partition("(")[0].split()[-1] for line in Path(f"{place.home}.trace").read_text().splitlines())
    return [(name, number) for name in names.split(",") for number in range(1, made[name] + 1)]


def _killed_at(template: Path, folder: Path, strike: Strike) -> bool:
    """Whether it came to that call: SQLite writes a page more in one run than in another."""
    place = _place(template, folder)
    killed = _worker(place, *_inject(strike, "signal=SIGKILL"))
    assert killed.returncode in (0, -signal.SIGKILL)
    done = _worker(place)
    assert done.returncode == 0, f"after death at {strike}: {done.stdout}{done.stderr}"
    assert place.faults() == [], f"after death at {strike}"
    return killed.returncode != 0


def _failed_at(template: Path, folder: Path, strike: Strike, error: str) -> None:
    """A call fails once. Whatever came of it, no mail may be gone from where it was without being kept."""
    place = _place(template, folder)
    # Only the calls that are looked at stop the worker: quicker, but no signal can be given so.
    done = _worker(place, "-f", "--seccomp-bpf", *_inject(strike, f"error={error}"))
    assert "Traceback" not in done.stderr, f"{error} at {strike}: {done.stderr}"
    assert done.returncode in (0, 75), f"{error} at {strike}: {done.returncode} {done.stdout}"
    kept = {path.read_bytes() for path in place.backup()}
    still = {path.read_bytes() for path in (folder / "in").iterdir()}
    assert set(place.sent) <= kept | still, f"{error} at {strike}"
    assert _worker(place).returncode == 0
    assert place.faults() == [], f"after {error} at {strike}"


def _inject(strike: Strike, what: str) -> list[str]:
    name, number = strike
    return ["-e", f"trace={name}", "-e", f"inject={name}:{what}:when={number}"]


def test_death_at_a_call_loses_nothing(template: Path, tmp_path: Path) -> None:
    strikes = _some(_strikes(template, tmp_path / "whole", CALLS))
    assert _deaths(strikes, template, tmp_path) > 0


@pytest.mark.slow
def test_death_at_any_call_loses_nothing(template: Path, tmp_path: Path) -> None:
    strikes = _strikes(template, tmp_path / "whole", CALLS)
    deaths = _deaths(strikes, template, tmp_path)
    print(f"{deaths} deaths at {len(strikes)} calls")  # noqa: T201 (the figures)
    assert deaths > 0.9 * len(strikes)


@pytest.mark.parametrize(("names", "error"), FAILURES)
def test_a_call_that_fails_loses_nothing(names: str, error: str, template: Path, tmp_path: Path) -> None:
    for n, strike in enumerate(_some(_strikes(template, tmp_path / "whole", names))):
        _failed_at(template, tmp_path / str(n), strike, error)


@pytest.mark.slow
@pytest.mark.parametrize(("names", "error"), FAILURES)
def test_whichever_call_fails_nothing_is_lost(names: str, error: str, template: Path, tmp_path: Path) -> None:
    strikes = _strikes(template, tmp_path / "whole", names)
    print(f"{error} at {len(strikes)} calls")  # noqa: T201 (the figures)
    for n, strike in enumerate(strikes):
        _failed_at(template, tmp_path / str(n), strike, error)


def _deaths(strikes: list[Strike], template: Path, folder: Path) -> int:
    return sum(_killed_at(template, folder / str(n), strike) for n, strike in enumerate(strikes))


def _some(strikes: list[Strike]) -> list[Strike]:
    return random.sample(strikes, SAMPLE)
