"""Where somebody else's process is the host (a service of Windows), all runs in its threads."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.faults.place import Place, environment, mail

SCRIPT = """
import sys, threading
from pathlib import Path
from crmservice.service import hosted

stop = threading.Event()
def when_told():
    sys.stdin.readline()
    stop.set()
threading.Thread(target=when_told, daemon=True).start()
sys.exit(hosted.run(Path(sys.argv[1]), stop))
"""


def test_it_files_mail_until_its_host_says_stop(on_folder: Place, tmp_path: Path) -> None:
    raw = mail(0)
    (tmp_path / "in" / "0.eml").write_bytes(raw)
    on_folder.sent.append(raw)
    command = [sys.executable, "-c", SCRIPT, str(on_folder.home)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    ) as host:
        end = time.monotonic() + 60
        while not on_folder.activities():
            assert host.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        said, _ = host.communicate("stop\n", timeout=30)
    assert (host.returncode, said) == (0, "")
    assert on_folder.faults() == []


def test_a_bad_configuration_ends_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        input="",
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 1
    assert "holds no technology box" in done.stderr
