"""A message of a gigabyte, and the largest one that is taken: how much memory and time they cost (TRUST.md C16)."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.fixtures import Figures
from tests.faults.place import Place, mail, make_place
from tests.faults.scene import PATIENCE_S
from tests.faults.warm import Forked, Order, Warm, wait_until
from tests.support.dovecot import free_port
from tests.support.listening import Sender
from tests.support.stub import ImapStub, Pop3Stub, Talk, serve

GIGABYTE = 1 << 30
PIECE = b"a line of an endless attachment, or something that looks like one, follows\r\n" * 1000
MOST_MB = 256
MOST_S = 120.0

pytestmark = pytest.mark.slow


def largest() -> bytes:
    """A mail just below the limit of 50 MB, nearly all of it an attachment."""
    attachment = base64.encodebytes(os.urandom(36_000_000)).replace(b"\n", b"\r\n")
    return mail(
        2,
        extra='MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name="a.bin"\r\n'
        "Content-Transfer-Encoding: base64\r\n",
        body="",
    ).partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + attachment  # fmt: skip


def beginning() -> bytes:
    """As much of a gigabyte as anybody asks for over IMAP."""
    return mail(2, body="") + PIECE * 1000


def endless(talk: Talk) -> None:
    """A POP3 server whose second message has a gigabyte."""
    stub = Pop3Stub([mail(1), b"", mail(3)])

    class Line(Talk):
        """Gives the gigabyte in the stub's place."""

        def line(self) -> bytes:
            while (found := super().line()) == b"RETR 2":
                self.raw(b"+OK\r\n" + mail(2, body=""))
                for _ in range(GIGABYTE // len(PIECE)):
                    self.raw(PIECE)
                self.raw(b".\r\n")
            return found

    stub(Line(talk.sock, talk.received))


def peak_mb(process: Forked) -> float:
    """The most memory that a process had, in MB, what it shares with its parent included (proc(5), VmHWM)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]  # every process has it


@contextlib.contextmanager
def worker(warm: Warm, place: Place, ports: dict[str, int]) -> Iterator[Forked]:
    place.warm = warm
    one = warm.start(Order(str(place.home), ports, waits=(5.0, 30.0, 120.0)))
    try:
        yield one
    finally:
        one.kill()


SERVERS: dict[tuple[str, str], Callable[[], Callable[[Talk], None]]] = {
    ("pop3", "a gigabyte"): lambda: endless,
    ("imap", "a gigabyte"): lambda: ImapStub({1: mail(1), 2: beginning(), 3: mail(3)}, sizes={2: GIGABYTE}),
    ("pop3", "the largest"): lambda: Pop3Stub([mail(1), largest(), mail(3)]),
    ("imap", "the largest"): lambda: ImapStub({1: mail(1), 2: largest(), 3: mail(3)}),
}


@pytest.mark.parametrize(("protocol", "what"), SERVERS)
def test_a_huge_message_costs_little_and_keeps_no_other_waiting(
    protocol: str, what: str, warm: Warm, template: Path, tmp_path: Path, figures: Figures
) -> None:
    keys: dict[str, str | list[str]] = {f"{protocol}Url": "127.0.0.1:995", f"{protocol}Name": "crm"}
    place = make_place(template, tmp_path / "home", {**keys, f"{protocol}Password": "secret"})
    with serve(SERVERS[protocol, what]()) as (port, _received), worker(warm, place, {protocol: port}) as one:
        begun = time.monotonic()

        def verdicts() -> list[str]:
            return sorted(verdict for _checksum, verdict, _attempts in place.messages())

        kept = "set_aside" if what == "a gigabyte" else "processed"
        assert wait_until(lambda: verdicts()[:3] == ["processed", "processed", kept], MOST_S), verdicts()
        seconds, megabytes = time.monotonic() - begun, peak_mb(one)
    figures("C16", f"{protocol}, {what}: {megabytes:.0f} MB at most, {seconds:.1f} s")
    assert megabytes < MOST_MB


def test_a_gigabyte_handed_over_by_smtp_is_refused_and_costs_little(
    warm: Warm, template: Path, tmp_path: Path, figures: Figures
) -> None:
    port = free_port()
    place = make_place(template, tmp_path / "home", {"smtpListen": f"127.0.0.1:{port}"})
    listener = warm.start(Order(str(place.home), listens=True))
    try:
        sender = _connected(port)
        assert sender.say(f"MAIL FROM:<eva@acme.cz> SIZE={GIGABYTE}").startswith("552 ")
        begun = time.monotonic()
        assert sender.say("MAIL FROM:<eva@acme.cz>").startswith("250")
        assert sender.say("RCPT TO:<crm@firma.cz>").startswith("250")
        assert sender.say("DATA").startswith("354")
        with contextlib.suppress(ConnectionError):
            for _ in range(GIGABYTE // len(PIECE)):
                sender.raw(PIECE)
            sender.raw(b".\r\n")
        said = sender.reply()
        sender.close()
        seconds, megabytes = time.monotonic() - begun, peak_mb(listener)
        after = _connected(port)
        assert after.deliver(mail(3)).startswith("250")
        after.close()
    finally:
        listener.kill()
    figures("C16", f"SMTP, a gigabyte: {said[:3] or 'connection ended'}, {megabytes:.0f} MB at most, {seconds:.1f} s")
    assert said[:3] in ("", "552")
    assert megabytes < MOST_MB
    assert len(place.messages()) == 1


def _connected(port: int) -> Sender:
    found: list[Sender] = []

    def connected() -> bool:
        with contextlib.suppress(OSError):
            found.append(Sender(port))
            found[-1].greet()
        return bool(found)

    assert wait_until(connected, PATIENCE_S)
    return found[-1]
