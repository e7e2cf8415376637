"""A real Postfix hands mail over, keeps it while we can't take it, and delivers it then."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from crmservice.store import bulk
from tests.service.desk import Desk
from tests.service.running import MAIL, Listen
from tests.support import postfix
from tests.support.dovecot import free_port

pytestmark = pytest.mark.server

NUMBERS = count()


@dataclass
class Sender:
    """Postfix, and the port that it sends to."""

    postfix: postfix.Postfix
    port: int

    def send(self, way: str, mail: bytes = MAIL) -> str:
        """Send a mail by ``smtp`` or ``lmtp``; gives its recipient, which nobody had before."""
        recipient = f"crm+{way}{next(NUMBERS)}@firma.cz"
        self.postfix.send(mail, recipient)
        return recipient


@pytest.fixture(scope="session")
def sender() -> Iterator[Sender]:
    if reason := postfix.why_not():
        pytest.skip(reason)
    port = free_port()
    ways = {"smtp": f"smtp:[127.0.0.1]:{port}", "lmtp": f"lmtp:inet:127.0.0.1:{port}"}
    # Not pytest's own folders: Postfix's user must be able to walk there, and they are root's alone.
    with tempfile.TemporaryDirectory(prefix="crmservice-postfix-") as base:
        Path(base).chmod(0o755)
        with postfix.sending(Path(base), ways) as running:
            yield Sender(running, port)


@pytest.mark.parametrize("way", ["smtp", "lmtp"])
def test_a_mail_by_postfix_becomes_an_activity(way: str, sender: Sender, desk: Desk, listen: Listen) -> None:
    listen(sender.port)
    status, said = sender.postfix.wait(sender.send(way))
    (row,) = desk.rows()
    assert (status, f"250 2.0.0 stored as {row.id}" in said) == ("sent", True)
    stored = (desk.home / row.path).read_bytes()
    assert stored.startswith(b"Received: by sender.example (Postfix")
    assert stored.endswith(MAIL)
    desk.file()
    assert desk.logs() == ["PROCESSED"]
    assert bulk.query("SELECT subject FROM crm_activity") == [("Dotaz",)]
    assert desk.differences() == []


@pytest.mark.parametrize("way", ["smtp", "lmtp"])
def test_postfix_keeps_mail_while_the_database_is_away(
    way: str, sender: Sender, desk: Desk, listen: Listen, tmp_path: Path, company_file: bytes
) -> None:
    away = tmp_path / "away"
    (desk.home / "crmservice.toml").write_text(f'database = "sqlite:///{away}/crm.db"\n')
    listen(sender.port)
    recipient = sender.send(way)
    status, said = sender.postfix.wait(recipient)
    assert (status, "451 4.3.0 Not stored, try again later" in said) == ("deferred", True)
    away.mkdir()
    (away / "crm.db").write_bytes(company_file)
    assert sender.postfix.wait_again(recipient)[0] == "sent"
    desk.file()
    assert desk.logs() == ["PROCESSED"]


def test_postfix_keeps_mail_while_nobody_listens(sender: Sender, desk: Desk, listen: Listen) -> None:
    recipient = sender.send("smtp")
    status, said = sender.postfix.wait(recipient)
    assert (status, "Connection refused" in said) == ("deferred", True)
    listen(sender.port)
    assert sender.postfix.wait_again(recipient)[0] == "sent"
    assert len(desk.rows()) == 1


def test_a_mail_too_large_is_returned_to_its_sender(sender: Sender, desk: Desk, listen: Listen) -> None:
    desk.box = desk.box.__class__(
        desk.box.name, desk.box.email, our_domains=desk.box.our_domains, max_message_bytes=5000
    )
    listen(sender.port)
    status, said = sender.postfix.wait(sender.send("smtp", MAIL + b"x" * 5000 + b"\r\n"))
    assert (status, "message size" in said) == ("bounced", True)
    assert desk.rows() == []


def test_many_mails_at_once_come_once_each(sender: Sender, desk: Desk, listen: Listen) -> None:
    listen(sender.port)
    recipients = [sender.send("smtp", MAIL.replace(b"Message-ID: <", b"Message-ID: <%d." % n)) for n in range(30)]
    assert {sender.postfix.wait(recipient)[0] for recipient in recipients} == {"sent"}
    assert len({row.sha256 for row in desk.rows()}) == 30
    assert len(desk.rows()) == 30
    assert desk.differences() == []
