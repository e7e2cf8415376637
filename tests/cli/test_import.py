"""``import``, progress, and what is left on the disk, as their user sees them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from crmservice.testing.builders import eml
from tests.cli.conftest import Shell


def folder_of_mail(shell: Shell, count: int) -> Path:
    folder = shell.folder / "old"
    (folder / "2019").mkdir(parents=True)
    for number in range(count):
        (folder / "2019" / f"{number:05}.EML").write_bytes(eml(subject=f"Mail {number}"))
    return folder


def counts(shell: Shell) -> dict[str, int]:
    found: dict[str, int] = json.loads(shell.run("ledger", "--json").stdout)["boxes"]["crm"]
    return found


def test_a_folder_is_filed_and_stays_where_it_is(shell: Shell) -> None:
    shell.box()
    folder = folder_of_mail(shell, 3)
    done = shell.run("import", folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert "3 of 3 messages" in done.stderr
    assert len(list(folder.rglob("*.EML"))) == 3
    assert counts(shell)["arrived"] == 3


def test_an_import_done_again_finds_nothing_new(shell: Shell) -> None:
    shell.box()
    folder = folder_of_mail(shell, 3)
    shell.run("import", folder)
    assert shell.run("import", folder).returncode == 0
    assert counts(shell) == counts(shell) | {"arrived": 3, "duplicate": 0}


def test_with_two_boxes_the_import_asks_for_which(shell: Shell) -> None:
    shell.box()
    shell.box("obchod")
    done = shell.run("import", folder_of_mail(shell, 1))
    assert done.returncode == 78
    assert "--box" in done.stderr


def all_of(master: int) -> str:
    """What a terminal shows until its last writer has gone."""
    shown = b""
    try:
        while part := os.read(master, 1 << 16):
            shown += part
    except OSError:  # Linux says so (EIO) where others say the end
        pass
    finally:
        os.close(master)
    return shown.decode()


def test_on_a_terminal_a_bar_shows_how_far_it_is(shell: Shell) -> None:
    shell.box()
    folder = folder_of_mail(shell, 60)
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "crmservice", "--home", str(shell.home), "import", str(folder)]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(command, stderr=terminal, stdout=subprocess.DEVNULL, env=environ) as service:
        os.close(terminal)
        shown = all_of(master)
    assert service.returncode == 0
    assert "60/60" in shown


def test_ctrl_c_ends_the_service_without_a_traceback(shell: Shell) -> None:
    shell.box()
    command = [sys.executable, "-m", "crmservice", "--home", str(shell.home), "run"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as service:
        end = time.monotonic() + 30
        while not (shell.home / "crmservice.db").exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1)
        os.killpg(service.pid, signal.SIGINT)  # as a terminal does it: to parent and worker
        _out, said = service.communicate(timeout=30)
    assert service.returncode in (0, 130)
    assert "Traceback" not in said


def test_what_the_service_writes_is_its_owners_alone(shell: Shell) -> None:
    shell.box()
    before = set(shell.home.rglob("*"))
    shell.run("import", folder_of_mail(shell, 1))
    written = [path for path in shell.home.rglob("*") if path not in before]
    assert len(written) > 3
    assert [path for path in written if path.stat().st_mode & 0o077] == []
