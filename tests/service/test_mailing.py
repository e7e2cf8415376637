"""What the service notes becomes mail, and what comes back of it becomes none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from crmservice.mail import own_notice
from crmservice.service import files, mailing, wiring
from crmservice.service.child import Life
from crmservice.service.cycle import Cycle
from crmservice.service.jobs import JOBS
from crmservice.service.log import NAME, ServiceLog
from crmservice.service.scheduled import Context
from crmservice.store import keys, notices, outgoing
from crmservice.store.models import Message, Outgoing
from crmservice.testing.builders import eml
from tests.notices.sinks import silence, sink
from tests.notices.test_outbox import body, subjects
from tests.support.home import Home
from tests.support.stub import serve


class Firm:
    """A home with one box, and what ``run --once`` does in it."""

    def __init__(self, home: Path) -> None:
        self.home, self.incoming = home, home / "in"
        self.incoming.mkdir()

    def box(self, port: int = 0, **more: str) -> None:
        keys = {"pop3Email": "crm@firma.cz", "emlDir": str(self.incoming), **more}
        if port:
            keys |= {"smtpServer": f"127.0.0.1:{port}", "errorFrom": "crm@firma.cz", "errorTo": "spravce@firma.cz"}
        Home(self.home).box({**keys})

    def run(self) -> int:
        found = wiring.configured(self.home)
        wiring.connect(self.home, found.settings)
        log = ServiceLog(self.home, found.settings.zone, wiring.now)
        cycle = Cycle(found, lambda _words, _fault: None, Life(), log)
        files.tell(files.by_box(found.faults), [])
        files.tell_unknown_keys(found.warnings)
        code = cycle.boxes()
        cycle.send()
        return code

    def log(self) -> str:
        return (self.home / NAME).read_text("utf-8")


@pytest.fixture
def firm(home: Path) -> Firm:
    return Firm(home)


def test_an_unknown_key_is_told_once_for_each_change_of_its_file(firm: Firm) -> None:
    with sink() as taken:
        for value in ("x", "x", "y"):
            firm.box(taken.port, pop3Ulr=value)
            assert firm.run() == 0
    assert subjects(taken) == ["CRMService crm: an unknown key in a box's file"]
    assert "did you mean pop3Url?" in body(taken.mails[0].content)
    assert sorted((one.state, one.count) for one in notices.listed()) == [("sent", 1), ("waiting", 1)]


def test_a_file_with_a_fault_is_told_to_the_error_to_that_it_names(firm: Firm) -> None:
    with sink() as taken:
        firm.box(taken.port, stopFrom="25:00", stopTo="06:00")
        assert firm.run() == 78
    assert subjects(taken) == ["CRMService crm: a box's file has a fault"]
    assert f"{firm.home / 'crm.xml'}:" in body(taken.mails[0].content)


def test_a_mail_that_is_too_large_is_told_once(firm: Firm) -> None:
    (firm.incoming / "1.eml").write_bytes(eml("x" * 5000, subject="Velká příloha"))
    with sink() as taken:
        firm.box(taken.port, maxMessageBytes="1024")
        assert [firm.run(), firm.run()] == [0, 0]
    assert subjects(taken) == ["CRMService crm: a mail was set aside"]
    for said in ("From:      jana@acme.cz", "Subject:   Velká příloha", "Reason:    larger than maxMessageBytes"):
        assert said in body(taken.mails[0].content)


def test_without_a_mail_server_the_log_has_it(firm: Firm) -> None:
    firm.box(pop3Ulr="x")
    assert firm.run() == 0
    assert "notice unknown-key: crm" in firm.log()
    assert [one.state for one in notices.listed()] == ["over"]


def test_a_mail_server_that_says_nothing_is_waited_for_no_longer_than_told(firm: Firm) -> None:
    import threading

    with serve(silence(threading.Event())) as (port, _received):
        firm.box(port)
        found = wiring.configured(firm.home)
        notices.note("oauth", "crm", "", {})
        log = ServiceLog(firm.home, found.settings.zone, wiring.now)
        mailing.send_now(found.settings, found.boxes, log, lambda: False, seconds=0.2)
    assert Outgoing.objects.get().attempts == 1


def test_a_command_that_is_told_to_end_sends_nothing_more(firm: Firm) -> None:
    with sink() as taken:
        firm.box(taken.port)
        found = wiring.configured(firm.home)
        notices.note("oauth", "crm", "", {})
        log = ServiceLog(firm.home, found.settings.zone, wiring.now)
        mailing.send_now(found.settings, found.boxes, log, lambda: True)
    assert taken.mails == []
    assert notices.any_waits()


def returned(key: bytes, n: int) -> bytes:
    mail = eml(
        f"Notice {n}",
        sender="crm@firma.cz",
        to="spravce@firma.cz",
        date=format_datetime(wiring.now()),
        subject="CRMService",
    )
    return own_notice.sealed(mail, key)


def test_hundreds_of_our_own_mails_that_return_are_one_notice_which_may_return_too(firm: Firm) -> None:
    key = keys.secret("notice")
    for n in range(200):
        (firm.incoming / f"{n}.eml").write_bytes(returned(key, n))
    with sink() as taken:
        firm.box(taken.port)
        assert firm.run() == 0
        assert list(Message.objects.values_list("log", flat=True).distinct()) == ['["OWN NOTICE","DELETED"]']
        told = taken.mails[0].content
        assert isinstance(told, bytes)
        for n in range(3):
            (firm.incoming / f"{n}.eml").write_bytes(told)
        assert firm.run() == 0
    assert subjects(taken) == ["CRMService crm: our notices come back again and again"]
    assert [(one.state, one.count) for one in notices.listed()] == [("sent", 6)]


def test_a_notice_that_returns_once_is_no_loop(firm: Firm) -> None:
    (firm.incoming / "1.eml").write_bytes(returned(keys.secret("notice"), 1))
    firm.box()
    assert firm.run() == 0
    assert notices.listed() == []


def test_the_keeper_sends_every_few_seconds(firm: Firm, new_home: Callable[[], Path]) -> None:
    (job,) = [job for job in JOBS if job.name == "mail"]
    with sink() as taken:
        firm.box(taken.port)
        found = wiring.configured(firm.home)
        log = ServiceLog(firm.home, found.settings.zone, wiring.now)
        context = Context(found.settings, log, wiring.now, lambda: found.boxes)
        notices.note("oauth", "crm", "", {})
        assert job.run(context) == {"mails": 1, "faults": 0}
    assert timedelta(seconds=10) >= mailing.EVERY
    assert outgoing.count("sent") == 1
