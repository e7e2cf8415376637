"""Mail, servers and files that mean harm: the log stays one line a message, secrets stay secret (TRUST.md B23, B34, B37)."""

from __future__ import annotations

import os
import subprocess
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.place import BOX, Place, mail, make_place, subject
from tests.support.dovecot import Dovecot
from tests.support.stub import Talk, serve

CANARY = "S3CR3T-CANARY-7f"

HOSTILE = [
    "x\n2026-01-01 PROCESSED",
    "x\r\nNOTICE 2026-01-01 00:00:00 crm eve@evil.test 'x' PROCESSED",
    "\x1b[2J\x1b[1;1H wiped",
    "\u202egnp.exe",
    "one\u2028two\u2029three\x85four",
    "\x00\x07\x7f\x9b31m",
    "\ufeff\u200b\u2066hidden\u2069",
    "' PROCESSED",
]


def _quoted(text: str) -> bytes:
    """A Q encoded word (RFC 2047) of all its bytes: what no mail client would let through."""
    return b"=?utf-8?q?" + b"".join(b"=%02X" % byte for byte in text.encode()) + b"?="


def _with_subject(number: int, raw: bytes) -> bytes:
    return mail(number).replace(subject(number).encode(), raw)


# B34: nothing that a stranger writes can look like a line of ours


def test_a_hostile_subject_stays_inside_its_line(on_folder: Place, tmp_path: Path) -> None:
    subjects = [_quoted(text) for text in HOSTILE] + [
        text.replace("\r", "").replace("\n", "\n ").encode() for text in HOSTILE
    ]
    for number, raw in enumerate(subjects):
        (tmp_path / "in" / f"{number:02}.eml").write_bytes(_with_subject(number, raw))
    sender = mail(99).replace(b"Eva <eva@acme.cz>", _quoted("Eva\nNOTICE") + b" <eva\x1b[2J@acme.cz>")
    (tmp_path / "in" / "99.eml").write_bytes(sender)
    on_folder.cycle()
    log = (on_folder.home / "CRMService.log").read_text(encoding="utf-8")
    assert log.endswith("\n")
    assert len(log.splitlines()) == len(subjects) + 1
    assert all(line.startswith("NOTICE 20") for line in log.splitlines())
    assert {unicodedata.category(char) for char in log.replace("\n", "")} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Zl",
        "Zp",
    } == set()


def test_a_hostile_name_of_a_file_stays_inside_its_line(on_folder: Place, tmp_path: Path) -> None:
    (tmp_path / "in" / "x\nNOTICE 2026-01-01 00:00:00 \x1b[2J.eml").touch()
    said = on_folder.cycle()
    (line,) = on_folder.log()
    assert line.isprintable()
    assert "\x1b" not in said


# B23: the password is nowhere, whatever goes wrong


def _login(keys: dict[str, str]) -> dict[str, str | list[str]]:
    return {"pop3Email": BOX, **keys}


def _echo(greeting: bytes) -> Callable[[Talk], None]:
    """A server that refuses every command by saying it back, with the password in it."""

    def handle(talk: Talk) -> None:
        talk.send(greeting)
        while True:
            line = talk.line()
            tag = line.split(b" ")[0]
            talk.send(b"-ERR no: " + line if greeting.startswith(b"+") else tag + b" NO [ALERT] " + line)

    return handle


def _everything(place: Place, outputs: list[str]) -> bytes:
    """All that the service left behind: log, database, locks, what it printed (the boxes' XML is the owner's)."""
    files = [path for path in place.home.rglob("*") if path.is_file() and path.suffix != ".xml"]
    return b"\n".join([path.read_bytes() for path in files] + [text.encode() for text in outputs])


def _tried(place: Place, *, code: int = 75, **env: str) -> bytes:
    check = subprocess.run(
        place.command("-v", "check"), env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60
    )
    outputs = [check.stdout, check.stderr, place.run("-v", "run", "--once", code=code, **env)]
    return _everything(place, outputs)


@pytest.mark.server
@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("trouble", ["wrong password", "wrong certificate", "secret in the environment", "no server"])
def test_a_failing_login_betrays_no_password(
    protocol: str, trouble: str, server: Dovecot, template: Path, tmp_path: Path
) -> None:
    port = 1 if trouble == "no server" else server.ports[f"{protocol}s"]
    host = "127.0.0.2" if trouble == "wrong certificate" else "localhost"
    given = "env:BOX_PASSWORD" if trouble == "secret in the environment" else f"wrong-{CANARY}"
    keys = {f"{protocol}Url": f"{host}:{port}", f"{protocol}Name": BOX, f"{protocol}Password": given}
    place = make_place(template, tmp_path / "home", _login({**keys, "tlsCaFile": str(server.certificates.ca)}))
    left = _tried(place, BOX_PASSWORD=f"wrong-{CANARY}")
    assert CANARY.encode() not in left
    assert BOX.encode() in left, "the trouble was to be told"


@pytest.mark.parametrize(("protocol", "greeting"), [("pop3", b"+OK hello"), ("imap", b"* OK hello")])
def test_a_server_that_says_the_password_back_is_not_repeated(
    protocol: str, greeting: bytes, template: Path, tmp_path: Path
) -> None:
    from tests.faults.forward import forwarded

    with serve(_echo(greeting)) as (port, received), forwarded(110 if protocol == "pop3" else 143, port) as where:
        keys = {f"{protocol}Url": where, f"{protocol}Name": BOX, f"{protocol}Password": CANARY}
        left = _tried(make_place(template, tmp_path / "home", _login(keys)))
    assert CANARY.encode() not in left
    assert BOX.encode() in left
    assert received


# B37: what lies in the import folder


def test_only_whole_regular_files_are_taken_from_the_import_folder(on_folder: Place, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    secret = tmp_path / "secret"
    secret.write_bytes(b"From: a@b.cz\r\nSubject: outside\r\n\r\nnot to be read\r\n")
    (folder / "link.eml").symlink_to(secret)
    (folder / "dangling.eml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.eml")
    (folder / "empty.eml").touch()
    (folder / "half.eml.part").write_bytes(mail(1))
    (folder / "folder.eml").mkdir()
    (folder / "folder.eml" / "inside.eml").write_bytes(mail(2))
    (folder / "GOOD.EML").write_bytes(mail(3))
    before = time.monotonic()
    on_folder.cycle()
    assert time.monotonic() - before < 30, "nothing in the folder may hold the service up"
    assert list(on_folder.activities()) == [subject(3)]
    left = {path.name for path in folder.iterdir()}
    assert left == {"link.eml", "dangling.eml", "pipe.eml", "empty.eml", "half.eml.part", "folder.eml"}
    assert secret.exists()
    assert not any(b"not to be read" in path.read_bytes() for path in on_folder.backup())


def test_a_file_that_is_still_being_written_waits_for_the_next_cycle(on_folder: Place, tmp_path: Path) -> None:
    file = tmp_path / "in" / "slow.eml"
    file.write_bytes(mail(1)[:100])
    process = on_folder.start("run", "--once")
    with file.open("ab") as stream:
        while process.poll() is None:
            stream.write(b"x")
            stream.flush()
            time.sleep(0.01)
    process.communicate()
    assert process.returncode == 0
    assert on_folder.messages() == []
    file.write_bytes(mail(1))
    on_folder.cycle()
    assert on_folder.activities()[subject(1)] == 1


def test_a_file_that_is_too_large_stays_where_it_is_and_is_told_once(on_folder: Place, tmp_path: Path) -> None:
    file = tmp_path / "in" / "big.eml"
    with file.open("wb") as stream:
        stream.write(mail(1))
        stream.truncate(1 << 30)  # a gigabyte that takes no room on the disk
    (tmp_path / "in" / "small.eml").write_bytes(mail(2))
    for _ in range(2):
        on_folder.cycle()
    assert file.exists()
    assert sorted(verdict for _checksum, verdict, _attempts in on_folder.messages()) == ["processed", "set_aside"]
    assert sum(path.stat().st_size for path in on_folder.backup()) < 100_000
    assert on_folder.ledger()["differences"] == []
