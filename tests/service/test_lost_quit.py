"""The connection is lost around QUIT, where POP3 deletes (TRUST C11): what comes again is recognised, nothing is twice."""

from __future__ import annotations

import random
from collections import Counter
from hashlib import sha256

import pytest

from crmservice.config import Endpoint, Login, Secret
from crmservice.sources import SourceError
from crmservice.sources.pop3 import Pop3Source
from crmservice.store import inbox
from crmservice.testing.builders import eml
from crmservice.tls import Timeouts, tls_context
from tests.service.desk import Desk
from tests.support.stub import Talk, serve, stuffed

CONTEXT = tls_context()


class Mailbox:
    """A POP3 server that loses the connection: ``before`` QUIT, or ``after`` it deleted and before it says so."""

    def __init__(self) -> None:
        self.mails: dict[str, bytes] = {}
        self.loses = ""

    def __call__(self, talk: Talk) -> None:
        session = list(self.mails.items())
        marked: list[str] = []
        talk.send(b"+OK ready")
        while True:
            command, _, number = talk.line().decode().partition(" ")
            if command == "UIDL":
                talk.send(b"+OK", *(f"{n} {uid}".encode() for n, (uid, _) in enumerate(session, 1)), b".")
            elif command == "RETR":
                talk.send(b"+OK", stuffed(session[int(number) - 1][1]).removesuffix(b"\r\n"), b".")
            elif command == "DELE":
                marked.append(session[int(number) - 1][0])
                talk.send(b"+OK")
            elif command == "QUIT" and self.loses == "before":
                return
            elif command == "QUIT":
                for uid in marked:
                    del self.mails[uid]
                if self.loses != "after":
                    talk.send(b"+OK bye")
                return
            else:
                talk.send(b"+OK")


@pytest.mark.parametrize("loses", ["before", "after"])
@pytest.mark.parametrize("losses", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_a_mail_has_one_row_and_one_file_however_often_quit_is_lost(desk: Desk, loses: str, losses: int) -> None:
    choose = random.Random(losses)
    mailbox = Mailbox()
    sent: list[bytes] = []
    lost = 0
    with serve(mailbox) as (port, _):
        source = Pop3Source(
            Endpoint("127.0.0.1", port, "plain"), Login("crm", Secret("x")), CONTEXT, Timeouts(2, 2, 60)
        )
        while lost < losses:
            for _ in range(choose.randrange(1, 4)):
                sent.append(eml("Dobrý den", subject=f"Dotaz {len(sent)}"))
                mailbox.mails[f"uid{len(sent)}"] = sent[-1]
            mailbox.loses = loses if choose.random() < 0.8 else ""
            try:
                list(desk.capture().run(desk.box, source))
            except SourceError:
                lost += 1
            source.close()
        mailbox.loses = ""
        list(desk.capture().run(desk.box, source))
        source.close()
    assert mailbox.mails == {}
    assert Counter(row.sha256 for row in inbox.list_messages(limit=10_000)) == Counter(
        sha256(mail).hexdigest() for mail in sent
    )
    assert len(list(desk.home.glob("POP3Downloads/*/*.eml"))) == len(sent)
