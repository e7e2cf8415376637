from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.journal import unwrap
from crmservice.mail.message import Headers, Message
from crmservice.mail.parsing import parse

REPORTS = Path(__file__).parent / "fixtures" / "journal"
TEXT = "Sender: jana@acme.cz\nSubject: x\nMessage-Id: <1@acme.cz>\nTo: novak@firma.cz\n"


def report(text: str = TEXT, header: str = "x-ms-journal-report", value: str = "", **fields: Any) -> Message:
    return Message(b"", headers=Headers(((header, value),)), text=text, **{"nested": (b"inner",)} | fields)


@pytest.mark.parametrize(
    ("name", "sender", "recipients"),
    [
        ("m365-incoming", "jana@acme.cz", ["novak@firma.cz"]),
        (
            "m365-expanded-and-blind",
            "jana@acme.cz",
            [
                "novak@firma.cz",
                "svoboda@firma.cz",
                "dvorak@firma.cz",
                "bob@beta.example",
                "reditel@firma.cz",
                "junior@firma.cz",
                "servis@firma.cz",
            ],
        ),
        ("exchange2010-basic", "novak@firma.cz", ["jana@acme.cz", "svoboda@firma.cz"]),
        ("exchange2003", "jana@acme.cz", ["novak@firma.cz", "svoboda@firma.cz"]),
        ("header-lost-on-the-way", "jana@acme.cz", ["novak@firma.cz"]),
    ],
)
def test_a_report_names_the_sender_and_all_recipients(name: str, sender: str, recipients: list[str]) -> None:
    found = unwrap(parse((REPORTS / f"{name}.eml").read_bytes()))
    assert found is not None
    assert found.sender == sender
    assert list(found.recipients) == recipients
    assert parse(found.inner).message_id == "original.1@acme.cz"


def test_a_recipient_is_named_once() -> None:
    found = unwrap(report(TEXT + "Cc: NOVAK@firma.cz\nBcc: novak@firma.cz, Expanded: vsichni@firma.cz\n"))
    assert found is not None
    assert found.recipients == ("novak@firma.cz",)


def test_nothing_below_the_subject_continues_it() -> None:
    found = unwrap(
        report("Sender: jana@acme.cz\nSubject: To: a@b.cz\n c@d.cz\nMessage-Id: <1@acme.cz>\nRecipient: e@f.cz\n")
    )
    assert found is not None
    assert found.recipients == ("e@f.cz",)


def test_of_an_encrypted_mail_and_its_readable_copy_the_first_counts() -> None:
    found = unwrap(report(nested=(b"first", b"second")))
    assert found is not None
    assert found.inner == b"first"


@pytest.mark.parametrize(
    "message",
    [
        report(header="subject"),
        report(text="Sender: a@b.cz\nSubject: x\nhello", header="subject"),
        report(text="", header="x-ms-journal-report"),
        report(nested=()),
        report(text="Journal report for a message.", header="content-identifier", value="ExJournalReport"),
    ],
    ids=["all three lines", "two lines", "no text", "no nested mail", "no field"],
)
def test_only_a_whole_report_is_one(message: Message) -> None:
    found = unwrap(message)
    assert (found is not None) == (message.text == TEXT and bool(message.nested))


@given(st.text())
def test_unwrapping_is_total(text: str) -> None:
    found = unwrap(report(text))
    assert found is None or found.sender or found.recipients
