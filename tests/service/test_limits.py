"""Beyond its limits a worker dies at once, even inside a library that hears no signal handler (TRUST.md B8)."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from crmservice.service.limits import cpu_limit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limits")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_memory_beyond_the_limit_is_a_memory_error() -> None:
    code = (
        "from crmservice.service.limits import limit_memory\n"
        "limit_memory(200 * 1024 * 1024)\n"
        "fine = bytearray(50 * 1024 * 1024)\n"
        "try:\n    bytearray(300 * 1024 * 1024)\nexcept MemoryError:\n    print('refused')\n"
    )
    assert run(code).stdout == "refused\n"


def test_a_limit_set_before_is_never_raised() -> None:
    code = (
        "import resource\n"
        "from crmservice.service.limits import limit_memory\n"
        "limit_memory()\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**28, 2**28))\n"
        "limit_memory()\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA) == (2**28, 2**28))\n"
    )
    assert run(code).stdout == "True\n"


def test_a_mail_that_takes_too_long_kills_its_worker_in_the_midst_of_a_library() -> None:
    code = (
        "import re\n"
        "from crmservice.service.limits import cpu_limit\n"
        "with cpu_limit(0.2):\n    re.match('(a*)*b', 'a' * 60)\n"
    )
    assert run(code).returncode == -signal.SIGPROF


def test_a_mail_that_waits_for_ever_kills_its_worker_too() -> None:
    code = (
        "import time\n"
        "from crmservice.service.limits import cpu_limit\n"
        "with cpu_limit(in_all=0.2):\n    time.sleep(50)\n"
    )
    assert run(code).returncode == -signal.SIGALRM


def test_time_that_is_waited_is_no_cpu_time_and_the_limit_ends_with_its_block() -> None:
    with cpu_limit(5):
        time.sleep(0.01)
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 4
    assert signal.getitimer(signal.ITIMER_PROF) == signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_the_limit_ends_with_its_block_when_the_block_fails() -> None:
    with pytest.raises(ValueError, match="bad mail"), cpu_limit(5):
        raise ValueError("bad mail")
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_where_no_timer_is_the_block_runs_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer")
    with cpu_limit(0.001):
        sum(range(10))
