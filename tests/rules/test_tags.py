"""Addresses of our domains are compared without their ``+tag`` where the exact one is unknown (SPEC chapter 4)."""

from __future__ import annotations

import pytest

from crmservice.crm.records import CreateActivity, PutInvitation
from crmservice.testing.builders import COMPANY, Office, calendar, decided, eml, of

CONTACT = {"name": "Partner", "emails": ["partner@firma.cz"]}
COMPANY_WITH_PARTNER = COMPANY | {"contacts": [*COMPANY["contacts"], CONTACT]}


@pytest.mark.parametrize("raw", [eml(to="odbory+x@firma.cz, novak@firma.cz"), eml(sender="odbory+x@firma.cz")])
def test_never_filed(raw: bytes) -> None:
    never = frozenset({"odbory@firma.cz"})
    assert decided(raw, never_file=never).log == ("NEVER FILED", "DELETED")


def test_a_service_sender() -> None:
    senders = frozenset({"robot@firma.cz"})
    assert decided(eml(sender="robot+x@firma.cz"), service_senders=senders).log == ("NET Genium", "DELETED")


def test_whose_originals_are_saved() -> None:
    decision = decided(
        eml(sender="novak+x@firma.cz", to="jana@acme.cz"), save_originals_from=frozenset({"novak@firma.cz"})
    )
    assert [activity.keep_original for activity in of(decision, CreateActivity)] == [True]


def test_a_web_form_whose_reply_to_is_the_counterparty() -> None:
    raw = eml(sender="form+1@firma.cz", headers=[("Reply-To", "partner@firma.cz")])
    office = Office(COMPANY_WITH_PARTNER, reply_to_from=frozenset({"form@firma.cz"}))
    office.receive(raw)
    assert [filed.contacts for filed in office.filed] == [{"Partner"}]


@pytest.mark.parametrize(
    "raw", [eml(sender="partner+web@firma.cz"), eml(sender="novak@firma.cz", to="partner+a@firma.cz, b@c.example")]
)
def test_a_contact_of_our_domain(raw: bytes) -> None:
    office = Office(COMPANY_WITH_PARTNER)
    office.receive(raw)
    assert [filed.contacts for filed in office.filed] == [{"Partner"}]


def test_an_organiser_may_change_his_event() -> None:
    office = Office()
    first, later = (
        eml(str(n), sender=sender, to="novak@firma.cz", parts=[calendar(organizer="svoboda@firma.cz", sequence=n)])
        for n, sender in enumerate(("jana@acme.cz", "svoboda+kal@firma.cz"))
    )
    office.receive(first)
    assert [put.changed for put in of(office.receive(later), PutInvitation)] == [True]


@pytest.mark.parametrize(
    ("alias", "organizer"),
    [("novak+kal@firma.cz", "novak+kal@firma.cz"), ("novak@firma.cz", "novak+kal@firma.cz")],
)
def test_nobody_answers_an_invitation_of_his_own(alias: str, organizer: str) -> None:
    users = [user | ({"email": alias} if user["login"] == "novak" else {}) for user in COMPANY["users"]]
    raw = eml(sender="jana@acme.cz", to=alias, parts=[calendar(organizer=organizer)])
    assert [put.answerable for put in of(decided(raw, COMPANY | {"users": users}), PutInvitation)] == [False]


def test_a_tag_of_another_domain_is_part_of_the_address() -> None:
    assert decided(eml(sender="lekar+x@acme.cz"), never_file=frozenset({"lekar@acme.cz"})).log == ("PROCESSED",)
