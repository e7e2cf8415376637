"""Rules 14 and 15 (manual 15.11): outgoing mail is its sender's; whatever is nobody's stays unfiled."""

from __future__ import annotations

import pytest

from crmservice.pipeline.rule import Verdict
from crmservice.testing.builders import Office, decided, eml


def test_one_activity_with_everybody_he_wrote_to() -> None:
    office = Office()
    office.receive(
        eml(sender="jan.novak@firma.cz", to="jana@acme.cz, bob@beta.example", cc="crm@firma.cz, svoboda@firma.cz")
    )
    (filed,) = office.filed
    assert office.logs == [("PROCESSED",)]
    assert (filed.responsible, filed.direction) == ("novak", "outgoing")
    assert filed.contacts == {"Jana", "Bob"}
    assert filed.accounts == {"ACME s.r.o.", "Beta a.s."}


@pytest.mark.parametrize("sender", ["nikdo@firma.cz", "jana@acme.cz"])
def test_a_sender_who_is_no_user_files_nothing(sender: str) -> None:
    decision = decided(eml(sender=sender, to="bob@beta.example, x@jinde.example", cc="crm@firma.cz"))
    assert decision.log == ("DELETED",)
    assert decision.intents == ()
    assert decision.verdict is Verdict.SKIPPED
    assert decision.trail[-1].rule == "unfiled"


def test_an_inactive_senders_mail_is_filed() -> None:
    office = Office()
    office.receive(eml(sender="byvala@firma.cz", to="jana@acme.cz"))
    assert office.filed[0].responsible == "byvala"


def test_mail_to_the_box_alone_is_filed_without_counterparty() -> None:
    office = Office()
    office.receive(eml(sender="novak@firma.cz", to="crm@firma.cz"))
    assert (office.filed[0].responsible, office.filed[0].contacts) == ("novak", frozenset())


def test_mail_without_any_recipient_is_its_senders() -> None:
    office = Office()
    office.receive(eml(sender="novak@firma.cz", to="undisclosed-recipients:;"))
    assert (office.filed[0].responsible, office.filed[0].direction) == ("novak", "outgoing")
