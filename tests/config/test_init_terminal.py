from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from crmservice.config import load_boxes, load_settings
from tests.support.home import Home

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo terminals of POSIX")

CANARY = "S3CR3T-CANARY-7f"
COMMAND = [sys.executable, "-m", "crmservice"]


def talk(home: Home, *answers: tuple[str, str]) -> tuple[int, str]:
    """``init`` in a terminal: its exit code, and what was seen. Each question is answered when it is asked."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.execve(COMMAND[0], [*COMMAND, "--home", str(home.folder), "init", "--offline"], {"LANG": "en"})
    said, at = "", 0
    left = list(answers)
    try:
        while piece := _read(terminal):
            said += piece
            if left and left[0][0] in said[at:]:
                time.sleep(0.2)  # getpass drops what was typed before it asked
                os.write(terminal, (left.pop(0)[1] + "\n").encode())
                at = len(said)
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode()
    except OSError:  # Linux says EIO at the end of a terminal
        return ""


ALL = (
    ("Address", "crm@firma.cz"), ("IMAP", "mail.firma.cz"), ("Login name", "crm"), ("Password", CANARY),
)  # fmt: skip


def test_what_is_asked_makes_a_box_and_the_password_is_never_shown(home: Home) -> None:
    code, said = talk(home, *ALL)
    assert code == 0, said
    assert CANARY not in said
    (box,) = load_boxes(home.folder, load_settings(home.folder, {}).settings, {}).boxes
    assert box.imap_login
    assert (box.imap_login.name, box.imap_login.password and box.imap_login.password.reveal()) == ("crm", CANARY)


def test_a_typed_password_is_its_owners_alone_and_moves_with_the_home(home: Home, tmp_path: Path) -> None:
    talk(home, *ALL)
    folder = home.folder / "Config"
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "crm.password")] == [0o700, 0o600]
    assert "file:Config/crm.password" in (home.folder / "crm.xml").read_text()
    assert str(tmp_path) not in (home.folder / "crm.xml").read_text()


def test_a_box_that_is_there_is_told_before_a_password_is_asked(home: Home) -> None:
    home.box({"pop3Email": "crm@firma.cz"})
    code, said = talk(home, *ALL[:3])
    assert code == 78
    assert "is there already" in said
    assert not (home.folder / "Config").exists()


def test_a_typed_password_goes_when_the_box_is_refused(home: Home) -> None:
    code, said = talk(home, ALL[0], ("IMAP", "imaps://mail"), *ALL[2:])
    assert code == 78
    assert "without imaps://" in said
    assert not list(home.folder.rglob("*.password"))
