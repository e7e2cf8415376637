"""Rule 4 (manual 15.4): mail of NET Genium and of the box's service senders."""

from __future__ import annotations

import pytest

from crmservice.testing.builders import decided, eml

SYSTEM = ("NET Genium", "DELETED")


@pytest.mark.parametrize("sender", ["license@netgenium.com", "Licence <License@NetGenium.COM>", "error@netgenium.com"])
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_mail_of_the_system_is_left_out(sender: str, rules: str) -> None:
    decision = decided(eml(sender=sender), rules=rules)
    assert decision.log == SYSTEM
    assert decision.intents == ()


@pytest.mark.parametrize("sender", ["info@netgenium.com", "license@netgenium.cz", '"license@netgenium.com" <a@b.cz>'])
def test_other_senders_are_filed(sender: str) -> None:
    assert decided(eml(sender=sender)).log == ("PROCESSED",)


def test_service_senders_are_left_out_too() -> None:
    senders = frozenset({"robot@ng.example"})
    assert decided(eml(sender="Robot <ROBOT@ng.example>"), service_senders=senders).log == SYSTEM
    assert decided(eml(), service_senders=senders).log == ("PROCESSED",)
