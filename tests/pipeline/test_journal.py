"""SPEC chapter 2, ``journal``: the message inside a journal report is the message."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmservice.crm.records import CreateTask
from crmservice.testing.builders import Office, decided, eml, nested, of

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


MX = "mx.firma.cz"
PASS = ("Authentication-Results", f"{MX}; dmarc=pass header.from=firma.cz")
ENVELOPE = "Sender: sef@firma.cz\nSubject: x\nMessage-Id: <s@firma.cz>\nTo: novak@firma.cz\n"
HEADER = ("X-MS-Journal-Report", "")


def ordered(
    *outer: tuple[str, str], sender: str = "MicrosoftExchange@firma.cz", proof: tuple[str, str] = PASS
) -> bytes:
    """A report around a colleague's order, which carries a proof of its own."""
    order = eml(sender="sef@firma.cz", to="novak@firma.cz", subject="New task: zaplať", headers=[proof])
    return eml(ENVELOPE, sender=sender, to="crm@firma.cz", headers=outer, parts=[nested(order)])


def stamp(domain: str, result: str = "pass") -> tuple[str, str]:
    return ("Authentication-Results", f"{MX}; dmarc={result} header.from={domain}")


EXCHANGE = "MicrosoftExchange@firma.cz"
FORGED = {
    "a stranger's": ("eve@evil.test", stamp("evil.test"), HEADER),
    "a stranger's text": ("eve@evil.test", stamp("evil.test")),
    "without a proof": (EXCHANGE, HEADER),
    "refused": (EXCHANGE, stamp("firma.cz", "fail"), HEADER),
    "with a forged proof": (EXCHANGE, stamp("firma.cz", "fail"), stamp("firma.cz"), HEADER),
    "two addresses": (f"{EXCHANGE} <eve@evil.test>", stamp("evil.test"), HEADER),
    "another tenant's": ("MicrosoftExchange@evil.onmicrosoft.com", stamp("evil.onmicrosoft.com"), HEADER),
}


@pytest.mark.parametrize(("sender", "outer"), [(one[0], one[1:]) for one in FORGED.values()], ids=FORGED.keys())
@pytest.mark.parametrize("proof", [PASS, ("X-MS-Exchange-Organization-AuthAs", "Internal")])
def test_what_is_written_in_a_report_that_is_not_proven_ours_is_not_believed(
    sender: str, outer: tuple[tuple[str, str], ...], proof: tuple[str, str]
) -> None:
    office = Office(journal=True, authserv_ids=(MX, "microsoft"), rules="safe", graph_mailbox="crm@firma.cz")
    decision = office.receive(ordered(*outer, sender=sender, proof=proof))
    assert (decision.message.subject, decision.sender_verified) == ("New task: zaplať", False)
    assert (decision.log, of(decision, CreateTask)) == (("UNKNOWN USER", "PROCESSED"), [])
    assert [(filed.responsible, filed.unverified) for filed in office.filed] == [("novak", True)]


def test_in_our_own_systems_report_the_mail_proves_itself() -> None:
    office = Office(journal=True, authserv_ids=(MX,))
    assert office.receive(ordered(stamp("firma.cz"), HEADER)).log == ("NEW TASK CREATED", "PROCESSED")
    refused = ordered(stamp("firma.cz"), HEADER, proof=stamp("firma.cz", "fail"))
    assert not decided(refused, journal=True, authserv_ids=(MX,)).sender_verified


def test_the_tenants_report_is_ours_where_its_domain_is() -> None:
    tenant = "firma.onmicrosoft.com"
    report = ordered(stamp(tenant), HEADER, sender=f"MicrosoftExchange329e71ec@{tenant}")
    ours = frozenset({"firma.cz", tenant})
    assert decided(report, journal=True, authserv_ids=(MX,), our_domains=ours).sender_verified
    assert not decided(report, journal=True, authserv_ids=(MX,)).sender_verified


REPORTS = sorted((Path(__file__).parents[1] / "mail" / "fixtures" / "journal").glob("*.eml"))


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("ids", [(), (MX,)])
def test_every_exchange_s_report_is_unwrapped_whether_it_is_proven_or_not(report: Path, ids: tuple[str, ...]) -> None:
    decision = decided(report.read_bytes(), journal=True, authserv_ids=ids)
    assert decision.message.sender is not None
    assert (decision.message.sender.email, decision.log[-1]) == ("jana@acme.cz", "PROCESSED")
