"""Notices through a real Postfix: it takes them, hands them on with its headers, and we know them again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmservice.mail import own_notice
from crmservice.mail.parsing import parse
from crmservice.store import keys, outgoing
from tests.notices.sinks import Sink, sink
from tests.notices.test_outbox import Office, body, box, subjects
from tests.service.running import soon
from tests.support import postfix
from tests.support.dovecot import free_port

pytestmark = pytest.mark.server


@pytest.fixture
def taken() -> Iterator[Sink]:
    """Where Postfix hands everything on to. ``port`` is Postfix's."""
    if reason := postfix.why_not():
        pytest.skip(reason)
    with sink() as behind, tempfile.TemporaryDirectory(prefix="crmservice-postfix-") as base:
        Path(base).chmod(0o755)
        port = free_port()
        with postfix.sending(Path(base), {"firma": f"smtp:[127.0.0.1]:{behind.port}"}, port):
            behind.port = port
            yield behind
            behind.mails.clear()


def test_a_notice_goes_through_and_is_known_again(home: Path, taken: Sink) -> None:
    office = Office([box(taken.port)], "cs")
    office.note("box-failing", fault="server mlčí")
    assert office.run().mails == 1
    soon(lambda: taken.mails)
    (mail,) = taken.mails
    assert subjects(taken) == ["CRMService crm: poštu nejde stáhnout"]
    assert "server mlčí" in body(mail.content)
    raw = mail.content
    assert isinstance(raw, bytes)
    assert b"\r\nReceived: " in b"\r\n" + raw
    assert own_notice.is_ours(parse(raw), keys.known("notice"))


def test_what_postfix_does_not_relay_is_kept_with_its_words(home: Path, taken: Sink) -> None:
    office = Office([box(taken.port, to="admin@elsewhere.example")])
    office.note("oauth")
    assert "554 5.7.1 <admin@elsewhere.example>: Relay access denied" in str(office.run().faults[0])
    failed = outgoing.listed("failed")[-1]
    assert "Relay access denied" in str(failed.fault)
