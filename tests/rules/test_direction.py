"""Rule 12 (manual 15.9): which way a mail went."""

from __future__ import annotations

import pytest

from crmservice.testing.builders import decided, eml

OURS = frozenset({"firma.cz", "firma.sk"})


@pytest.mark.parametrize(
    ("sender", "to", "direction"),
    [
        ("jana@acme.cz", "novak@firma.cz", "incoming"),
        ("jana@acme.cz", "novak@firma.cz, crm@firma.cz", "outgoing"),
        ("jana@acme.cz", "novak@firma.cz, CRM@Firma.cz", "outgoing"),
        ("jana@acme.cz", "novak@firma.cz, crm+kopie@firma.cz", "outgoing"),
        ("novak@firma.cz", "crm@firma.cz", "outgoing"),
        ("novak@firma.cz", "jana@acme.cz", "outgoing"),
        ("novak@firma.cz", "svoboda@firma.cz", "incoming"),
        ("novak@firma.cz", "svoboda@firma.cz, svoboda@firma.cz", "incoming"),
        ("novak@firma.cz", "svoboda@firma.cz, dvorak@firma.cz", "outgoing"),
        ("novak@firma.cz", "svoboda@firma.cz, jana@acme.cz", "outgoing"),
        ("novak@firma.cz", "svoboda@firma.sk", "incoming"),
        ("novak@firma.sk", "jana@acme.cz", "outgoing"),
        ("nikdo@firma.cz", "jana@acme.cz", "outgoing"),
        ("externi@partner.example", "jana@acme.cz", "incoming"),
        ("jana@sub.firma.cz", "novak@firma.cz", "incoming"),
        ("jana@nefirma.cz", "novak@firma.cz, svoboda@firma.cz", "incoming"),
    ],
)
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_the_box_and_the_domains_decide(sender: str, to: str, direction: str, rules: str) -> None:
    assert decided(eml(sender=sender, to=to), our_domains=OURS, rules=rules).found.direction == direction


def test_copies_count_as_recipients() -> None:
    to = "svoboda@firma.cz"
    assert decided(eml(sender="novak@firma.cz", to=to, cc="dvorak@firma.cz")).found.direction == "outgoing"
    assert decided(eml(sender="novak@firma.cz", to=to, bcc="dvorak@firma.cz")).found.direction == "outgoing"
    assert decided(eml(to=to, bcc="crm@firma.cz")).found.direction == "outgoing"


def test_resent_and_delivered_recipients_do_not_count() -> None:
    headers = [("Resent-To", "crm@firma.cz"), ("Delivered-To", "crm@firma.cz")]
    assert decided(eml(headers=headers)).found.direction == "incoming"
