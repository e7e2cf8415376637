"""SPEC chapter 2, ``journal``: the message inside a journal report is the message."""

from __future__ import annotations

from crmservice.testing.builders import Office, decided, eml, nested

INNER = eml("obsah", to="novak@firma.cz", subject="Dotaz", message_id="j@acme.cz")
REPORT = eml(
    "Sender: jana@acme.cz\nSubject: Dotaz\nMessage-Id: <j@acme.cz>\nTo: novak@firma.cz\nBcc: svoboda@firma.cz\n",
    sender="MicrosoftExchange@firma.cz",
    to="crm@firma.cz",
    subject="Dotaz",
    headers=[("X-MS-Journal-Report", "")],
    parts=[nested(INNER)],
).replace(b"MIME-Version", b"X-MS-Journal-Report: yes\r\nMIME-Version", 1)


def test_the_message_inside_is_the_message_and_the_envelope_names_recipients() -> None:
    office = Office(journal=True)
    decision = office.receive(REPORT)
    assert (decision.log, decision.message.subject) == (("PROCESSED",), "Dotaz")
    assert [(filed.responsible, filed.direction) for filed in office.filed] == [
        ("novak", "incoming"),
        ("svoboda", "incoming"),
    ]
    assert office.filed[0].contacts == {"Jana"}


def test_the_message_and_its_report_are_one() -> None:
    office = Office(journal=True)
    office.receive(INNER, REPORT)
    assert office.logs == [("PROCESSED",), ("DUPLICATE KEY", "DELETED")]


def test_without_the_setting_a_report_is_any_mail() -> None:
    assert decided(REPORT).message.sender is not None
    assert decided(REPORT).message.subject == "Dotaz"
    assert decided(REPORT).log == ("DELETED",)
