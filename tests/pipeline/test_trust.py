"""SPEC chapter 7 against known attacks: who is believed, and what the unbelieved cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crmservice.config import Endpoint, Login, Secret
from crmservice.crm.records import CreateTask
from crmservice.mail.keywords import DEFAULT
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.read import read
from crmservice.pipeline.verified import sender_verified
from crmservice.testing.builders import NOON, Office, box, decided, eml, of

MX = "mx.firma.cz"
PASS = f"{MX}; dmarc=pass header.from=firma.cz"
ORDER = "New task: zaplať fakturu, zakázka:123 Dokumentace p1"


def order(sender: str = "sef@firma.cz", headers: tuple[tuple[str, str], ...] = (), **more: Any) -> bytes:
    return eml(sender=sender, to="novak@firma.cz, jana@acme.cz", subject=ORDER, headers=headers, **more)


SPOOFS = {
    "forged-from": order(),
    "two-froms": order(headers=(("Authentication-Results", PASS), ("From", "eve@evil.test"))),
    "address-in-name": order("sef@firma.cz <eve@evil.test>", (("Authentication-Results", f"{MX}; dmarc=pass header.from=evil.test"),)),
    "below-ours": order(headers=(("Authentication-Results", f"{MX}; dmarc=fail header.from=firma.cz"), ("Authentication-Results", PASS))),
    "foreign-id": order(headers=(("Authentication-Results", PASS.replace(MX, "mx.evil.test")),)),
    "reply-to": order("eve@evil.test", (("Authentication-Results", PASS),), reply_to="sef@firma.cz"),
    "sender-field": order("eve@evil.test", (("Sender", "sef@firma.cz"), ("Authentication-Results", PASS))),
    "invisible": order("sef@firma.cz\u200b", (("Authentication-Results", PASS),)),
    "homograph": order("sef@f\u0456rma.cz", (("Authentication-Results", PASS),)),
    "other-from-domain": order(headers=(("Authentication-Results", f"{MX}; dmarc=pass header.from=evil.test"),)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOOFS)
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_a_spoofed_insider_commands_nothing(name: str, rules: str) -> None:
    office = Office(rules=rules, authserv_ids=(MX,))
    decision = office.receive(SPOOFS[name])
    assert of(decision, CreateTask) == []
    assert "NEW TASK CREATED" not in decision.log
    assert not decision.sender_verified
    for filed in office.filed:
        assert (filed.type, filed.scope) == ("E-mail", "p1" if filed.responsible == "sef" else "p2")
        assert filed.unverified


def test_a_verified_outsider_may_narrow_a_scope_and_no_more() -> None:
    """Chapter 6: who is verified as himself is still no insider, whomever Reply-To and Sender name."""
    proof = (("Sender", "sef@firma.cz"), ("Authentication-Results", f"{MX}; dmarc=pass header.from=evil.test"))
    office = Office(rules="safe", authserv_ids=(MX,))
    decision = office.receive(order("eve@evil.test", proof, reply_to="sef@firma.cz"))
    assert decision.sender_verified
    assert of(decision, CreateTask) == []
    (filed,) = office.filed
    assert (filed.type, filed.scope, filed.contract, filed.contacts) == ("E-mail", "p1", None, frozenset())


def test_a_verified_insider_commands() -> None:
    office = Office(authserv_ids=(MX,))
    decision = office.receive(order(headers=(("Authentication-Results", PASS),)))
    assert decision.log == ("NEW TASK CREATED", "PROCESSED")
    assert decision.sender_verified
    assert (office.filed[0].type, office.filed[0].scope, office.filed[0].unverified) == ("Dokumentace", "p1", False)


def test_without_an_authserv_id_the_manuals_behaviour_holds() -> None:
    decision = decided(order())
    assert decision.log == ("NEW TASK CREATED", "PROCESSED")
    assert not decision.sender_verified


@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_an_outsider_makes_no_task(rules: str) -> None:
    for subject in ("New task: pay invoice", "Nový úkol: zaplať"):
        decision = decided(eml(sender="eve@evil.test", subject=subject), rules=rules)
        assert decision.log == ("UNKNOWN USER", "PROCESSED")
        assert of(decision, CreateTask) == []


def test_mail_of_the_tenant_itself_is_verified_where_microsoft_is_believed() -> None:
    internal = (("X-MS-Exchange-Organization-AuthAs", "Internal"),)
    fetched: dict[str, Any] = {"graph_mailbox": "crm@firma.cz"}
    assert decided(order(headers=internal), authserv_ids=("microsoft",), **fetched).sender_verified
    assert not decided(order(headers=internal), authserv_ids=(MX,), **fetched).sender_verified


OFFICE = Endpoint("outlook.office365.com", 993, "tls")
OTHER = Endpoint("mail.firma.cz", 993, "tls")
BY_TOKEN, BY_PASSWORD = Login("crm@firma.cz", oauth=True), Login("crm@firma.cz", Secret("x"))


@pytest.mark.parametrize(
    ("fields", "source", "believed"),
    [
        ({"graph_mailbox": "crm@firma.cz"}, "graph", True),
        ({"imap": OFFICE, "imap_login": BY_PASSWORD}, "imap", True),
        ({"pop3": OTHER, "pop3_login": BY_TOKEN}, "pop3", True),
        ({"imap": OTHER, "imap_login": BY_PASSWORD}, "imap", False),
        ({"eml_dir": Path("/in")}, "emlDir", False),
        ({"smtp_listen": "127.0.0.1:25"}, "smtp", False),
        ({"graph_mailbox": "crm@firma.cz", "eml_dir": Path("/in")}, "emlDir", False),
        ({"graph_mailbox": "crm@firma.cz", "smtp_listen": "127.0.0.1:25"}, "smtp", False),
        ({"graph_mailbox": "crm@firma.cz", "imap": OTHER, "imap_login": BY_PASSWORD}, "imap", False),
        ({"graph_mailbox": "crm@firma.cz", "eml_dir": Path("/in")}, "restored", True),
        ({"graph_mailbox": "crm@firma.cz", "eml_dir": Path("/in")}, "", True),
        ({"eml_dir": Path("/in")}, "", False),
    ],
)
@pytest.mark.parametrize(
    "proof",
    [("X-MS-Exchange-Organization-AuthAs", "Internal"), ("Authentication-Results", "dmarc=pass header.from=firma.cz")],
)
def test_microsoft_is_believed_only_in_mail_fetched_from_the_tenant(
    fields: dict[str, Any], source: str, believed: bool, proof: tuple[str, str]
) -> None:
    here = box(authserv_ids=("microsoft",), **fields)
    assert sender_verified(read(order(headers=(proof,)), here, DEFAULT), here, source) is believed


def test_the_row_tells_which_way_a_mail_came() -> None:
    office = Office(authserv_ids=("microsoft",), graph_mailbox="crm@firma.cz", eml_dir=Path("/in"))
    mail = order(headers=(("X-MS-Exchange-Organization-AuthAs", "Internal"),))
    rows = [Waiting(1, "crm", "", "", NOON, source=source) for source in ("emlDir", "graph")]
    logs = [
        office.pipeline.decide_alone(office.box, row, office.pipeline.read(mail, office.box))[1].log for row in rows
    ]
    assert logs == [("UNKNOWN USER", "PROCESSED"), ("NEW TASK CREATED", "PROCESSED")]
