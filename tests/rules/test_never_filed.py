"""Rule 6a: mail of those who are never filed."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import PutInvitation
from crmservice.testing.builders import COMPANY, Office, calendar, decided, eml

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


def company(**lists: list[str]) -> dict[str, list[dict[str, Any]]]:
    """COMPANY with such lists of its users."""
    users = [
        user | ({"never_file": lists[user["login"]]} if user["login"] in lists else {}) for user in COMPANY["users"]
    ]
    return COMPANY | {"users": users}


LISTS = {"novak": ["lekar@zdravi.example", "odbory.example"]}


@pytest.mark.parametrize("sender", ["lekar@zdravi.example", "kdokoli@praha.odbory.example"])
def test_a_users_own_list_leaves_him_out_and_the_mail_is_filed_for_others(sender: str) -> None:
    office = Office(company(**LISTS))
    decision = office.receive(eml(sender=sender, to="novak@firma.cz, svoboda@firma.cz"))
    assert decision.log == ("PROCESSED",)
    assert [one.responsible for one in office.filed] == ["svoboda"]


def test_mail_for_him_alone_is_never_filed() -> None:
    decision = Office(company(**LISTS)).receive(eml(sender="lekar@zdravi.example", to="novak@firma.cz"))
    assert decision.log == ("NEVER FILED", "DELETED")
    assert decision.intents == ()


def test_what_he_writes_to_them_is_never_filed() -> None:
    office = Office(company(**LISTS))
    assert office.receive(eml(sender="novak@firma.cz", to="lekar@zdravi.example")).log == ("NEVER FILED", "DELETED")
    other = office.receive(eml(sender="svoboda@firma.cz", to="lekar@zdravi.example"))
    assert (other.log, [one.responsible for one in office.filed]) == (("PROCESSED",), ["svoboda"])


def test_a_shared_address_passes_him_by() -> None:
    office = Office(company(novak=LISTS["novak"], svoboda=LISTS["novak"], byvala=LISTS["novak"]))
    decision = office.receive(eml(sender="lekar@zdravi.example", to="obchod@firma.cz"))
    assert decision.log == ("NEVER FILED", "DELETED")
    two = Office(company(**LISTS))
    two.receive(eml(sender="lekar@zdravi.example", to="obchod@firma.cz"))
    assert [one.responsible for one in two.filed] == ["svoboda"]


def test_nothing_of_such_mail_reaches_him_by_an_invitation() -> None:
    office = Office(company(**LISTS))
    invitation = eml(sender="lekar@zdravi.example", to="novak@firma.cz, svoboda@firma.cz", parts=[calendar()])
    users = {
        office.login(intent.user) for intent in office.receive(invitation).intents if isinstance(intent, PutInvitation)
    }
    assert users == {"svoboda"}


def test_the_trail_does_not_say_whose_list_it_was() -> None:
    decision = Office(company(**LISTS)).receive(
        eml(sender="lekar@zdravi.example", to="novak@firma.cz, svoboda@firma.cz")
    )
    (step,) = [step for step in decision.trail if step.rule == "never_filed"]
    assert (step.code, step.evidence) == ("listed-by-users", {"count": 1})
