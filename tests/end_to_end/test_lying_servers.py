"""Servers that lie, seen from outside: what the commands leave behind and say (TRUST C10)."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.forward import forwarded
from tests.faults.place import BOX, Place, mail, make_place, subject
from tests.sources.test_lies import IMAP_LIES, POP3_LIES
from tests.support.home import Home
from tests.support.stub import ImapStub, Pop3Stub, serve

NO_CAPA: dict[bytes, bytes | None] = {b"CAPA": b"-ERR unknown\r\n"}

EACH = 5
"""Messages of a mailbox."""

POP3 = [
    "two answers to one RETR",
    "no answer but garbage",
    "NUL for an answer",
    "an endless answer",
    "-ERR on one message",
    "the connection ends at one message",
    "50 MB announced as 100",
    "UIDL is missing",
    "UIDL is missing, and garbage",
    "UIDL is missing, and 50 MB announced as 100",
    "UIDL gives all the same",
    "UIDL gives 71 characters",
    "UIDL knows more messages than there are",
    "-ERR to one DELE",
    "garbage to one DELE",
    "-ERR to QUIT",
    "the connection ends at QUIT",
    "PIPELINING, and garbage",
    "PIPELINING, and two answers to one RETR",
]
IMAP = [
    "a literal of 3 GB",
    "a literal of -1 bytes",
    "a literal shorter than its bytes",
    "the size of 50 MB is 100",
    "a size of 2^63",
    "a text of NIL",
    "two texts of one message",
    "a hundred thousand brackets that do not close",
    "a line of 2 MB",
    "BYE in the midst",
    "no UIDVALIDITY",
    "UIDs of messages that are not there",
    "NO to STORE",
    "BAD to UID EXPUNGE",
    "OK to UID EXPUNGE that does nothing",
]


def test_a_server_that_deletes_nothing_and_keeps_a_mail_back_is_told_in_the_log(template: Path, tmp_path: Path) -> None:
    stub = Pop3Stub([mail(1), mail(2)], answers=NO_CAPA | {b"RETR 2": b"-ERR it can not be read\r\n"})
    with serve(stub) as (port, _), forwarded(110, port) as where:
        keys: dict[str, str | list[str]] = {"pop3Email": BOX, "pop3Url": where, "pop3Password": "secret"}
        place = make_place(template, tmp_path / "home", keys)
        place.cycle()
        first = (place.home / "CRMService.log").read_text(encoding="utf-8")
        assert "uid2: the server will not give it (it can not be read)" in first
        assert "gives them again" not in first
        place.cycle()
    assert "gives them again (1)" in (place.home / "CRMService.log").read_text(encoding="utf-8")
    assert len(list(place.home.glob("POP3Downloads/*/*"))) == 1
    assert [verdict for _sha256, verdict, _attempts in place.messages()] == ["processed"]


class Liars:
    """Mailboxes, a box each in one home. ``due`` are the mails that must come, ``all`` those that may."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.due: set[str] = set()
        self.all: set[str] = set()
        self.pop3: list[tuple[dict[int, int], Pop3Stub]] = []
        self.imap: list[tuple[dict[int, int], ImapStub]] = []
        self._count = 0

    def mails(self, may_be_missing: set[int]) -> dict[int, int]:
        """The numbers of a new mailbox's mails, by their numbers there."""
        mails = {number: self._count * EACH + number for number in range(1, EACH + 1)}
        self._count += 1
        self.all |= set(map(subject, mails.values()))
        self.due |= {subject(mail) for number, mail in mails.items() if number not in may_be_missing}
        return mails

    def box(self, kind: str, where: str) -> None:
        name = f"{kind}{self._count}"
        keys: dict[str, str | list[str]] = {
            f"{kind}Url": where,
            f"{kind}Name": "crm",
            f"{kind}Password": "secret",
            "maxMessageBytes": "1000000",
        }
        Home(self.place.home).box({"pop3Email": f"{name}@firma.cz", **keys}, f"{name}.xml")

    def deleted(self) -> set[str]:
        """What is gone at the servers."""
        gone = [mails[number] for mails, stub in self.pop3 for number in stub.deleted]
        gone += [mail for mails, stub in self.imap for number, mail in mails.items() if number not in stub.messages]
        return set(map(subject, gone))

    def check(self, *, oversize: int) -> None:
        activities, verdicts = self.place.activities(), Counter(verdict for _sha, verdict, _ in self.place.messages())
        assert {title: count for title, count in activities.items() if count > 1} == {}
        assert self.due <= activities.keys()
        assert self.deleted() & self.all <= activities.keys()
        assert verdicts["set_aside"] == oversize
        assert self.place.ledger()["differences"] == []


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_no_lie_costs_the_real_command_another_mail_or_makes_it_file_one_twice(
    template: Path, tmp_path: Path, every: int
) -> None:
    """A home with many boxes, each at a server with a lie of its own, in two runs; the second gets again what the first left."""
    place = make_place(template, tmp_path / "home", {"emlDir": str(tmp_path)})
    liars = Liars(place)
    with contextlib.ExitStack() as servers:
        for lie in POP3[::every]:
            answers, missing = POP3_LIES[lie]
            mails = liars.mails(missing)
            stub = Pop3Stub([mail(number) for number in mails.values()], answers=NO_CAPA | answers)
            liars.pop3.append((mails, stub))
            port, _ = servers.enter_context(serve(stub))
            liars.box("pop3", servers.enter_context(forwarded(110, port)))
        for lie in IMAP[::every]:
            changes, missing = IMAP_LIES[lie]
            mails = liars.mails(missing)
            messages = {number: mail(of) for number, of in mails.items()}
            imap = ImapStub(messages, **changes)  # type: ignore[arg-type]  # fields of the stub by their names
            liars.imap.append((mails, imap))
            port, _ = servers.enter_context(serve(imap))
            liars.box("imap", servers.enter_context(forwarded(143, port)))
        said = [place.cycle(code=75) for _ in range(2)]
    assert not any("Traceback" in text for text in said)
    liars.check(oversize=sum("50 MB announced" in lie for lie in POP3[::every]))
