"""Rule 6a: mail of those who are never filed."""

from __future__ import annotations

import pytest

from crmservice.testing.builders import decided, eml

NEVER = frozenset({"lekar@zdravi.example", "odbory.example"})


@pytest.mark.parametrize(
    "raw",
    [
        eml(sender="MUDr. <Lekar@zdravi.example>"),
        eml(sender="novak@firma.cz", to="lekar@zdravi.example"),
        eml(cc="lekar@zdravi.example"),
        eml(bcc="lekar@zdravi.example"),
        eml(sender="kdokoli@odbory.example"),
        eml(sender="kdokoli@praha.odbory.example"),
    ],
)
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_a_listed_address_or_domain_anywhere_keeps_the_mail_out(raw: bytes, rules: str) -> None:
    decision = decided(raw, never_file=NEVER, rules=rules)
    assert decision.log == ("NEVER FILED", "DELETED")
    assert decision.intents == ()


@pytest.mark.parametrize("sender", ["sestra@zdravi.example", "a@neodbory.example", "a@odbory.example.test"])
def test_others_are_filed(sender: str) -> None:
    assert decided(eml(sender=sender), never_file=NEVER).log == ("PROCESSED",)


def test_the_address_does_not_stand_in_the_trail() -> None:
    decision = decided(eml(sender="lekar@zdravi.example", subject="nález"), never_file=NEVER)
    assert "lekar" not in repr(decision.trail[-1].evidence)


def test_even_an_opt_out_of_such_an_address_has_no_effect() -> None:
    assert decided(eml(sender="lekar@zdravi.example", subject="nechci"), never_file=NEVER).intents == ()
