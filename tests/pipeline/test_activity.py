"""SPEC chapter 4: what an activity holds, and with whom it is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crmservice.crm.records import Suggest
from crmservice.testing.builders import NOON, SENT, Office, company, decided, eml, of, part, report


def office(*mails: bytes, tables: dict[str, list[dict[str, object]]] | None = None, **fields: object) -> Office:
    made = Office(tables or company(), **fields)  # type: ignore[arg-type]
    made.receive(*mails)
    return made


# Times.


def test_it_is_completed_when_it_was_sent() -> None:
    (filed,) = office(eml()).filed
    assert (filed.sent, filed.due, filed.completed) == (SENT, None, SENT)


@pytest.mark.parametrize("date", [None, "kdysi"])
def test_without_a_date_the_arrival_counts(date: str | None) -> None:
    (filed,) = office(eml(date=date)).filed
    assert (filed.sent, filed.completed) == (NOON, NOON)


def test_incoming_mail_may_be_saved_as_pending() -> None:
    made = office(eml(), eml(sender="novak@firma.cz", to="jana@acme.cz"), save_incoming_as_pending=True)
    assert [(filed.due, filed.completed) for filed in made.filed] == [(SENT, None), (None, SENT)]


def test_in_safe_mode_an_automatic_reply_is_completed() -> None:
    raw = eml(headers=[("Auto-Submitted", "auto-replied")])
    assert office(raw, rules="safe", save_incoming_as_pending=True).filed[0].completed == SENT
    assert office(raw, save_incoming_as_pending=True).filed[0].completed is None


def test_a_time_is_an_instant_in_utc() -> None:
    (filed,) = office(eml(date="Mon, 2 Mar 2026 10:00:00 -0500")).filed
    assert filed.sent == datetime(2026, 3, 2, 15, tzinfo=UTC)


# The original, verification.


def test_listed_senders_mail_keeps_its_source() -> None:
    keeps = frozenset({"jana@acme.cz"})
    made = office(eml(sender="Jana <JANA@acme.cz>"), eml(sender="bob@beta.example"), save_originals_from=keeps)
    assert [filed.keep_original for filed in made.filed] == [True, False]


def test_without_an_authserv_id_nothing_is_marked_unverified() -> None:
    assert not office(eml()).filed[0].unverified
    assert office(eml(), authserv_ids=("mx.firma.cz",)).filed[0].unverified


# Counterparty.


def test_every_contact_with_the_address_and_their_accounts_are_linked() -> None:
    (filed,) = office(eml(sender="Rodina@doma.example")).filed
    assert (filed.contacts, filed.accounts) == (frozenset({"Petr", "Pavla"}), frozenset({"ACME s.r.o.", "Beta a.s."}))


def test_accounts_with_the_address_are_linked() -> None:
    (filed,) = office(eml(sender="info@acme.cz")).filed
    assert (filed.contacts, filed.accounts) == (frozenset(), frozenset({"ACME s.r.o."}))


def test_a_contact_may_have_no_account_and_several_addresses() -> None:
    made = office(eml(sender="solo@nikde.example"), eml(sender="jana@gmail.com"))
    assert [(filed.contacts, filed.accounts) for filed in made.filed] == [
        (frozenset({"Solo"}), frozenset()),
        (frozenset({"Jana"}), frozenset({"ACME s.r.o."})),
    ]


def test_only_the_sender_is_the_counterparty_of_incoming_mail() -> None:
    (filed,) = office(eml(cc="bob@beta.example", reply_to="solo@nikde.example")).filed
    assert filed.contacts == {"Jana"}


def test_a_user_is_no_counterparty_unless_in_the_address_book() -> None:
    raw = eml(sender="novak@firma.cz", to="svoboda@firma.cz, jana@acme.cz")
    assert office(raw).filed[0].contacts == {"Jana"}
    listed = company(contacts=[{"name": "Eva", "emails": ["svoboda@firma.cz"]}])
    assert office(raw, tables=listed).filed[0].contacts == {"Jana", "Eva"}


def test_behind_a_web_form_reply_to_is_the_counterparty() -> None:
    raw = eml(sender="web@formular.example", reply_to="Bob <bob@beta.example>")
    assert office(raw, reply_to_from=frozenset({"web@formular.example"})).filed[0].contacts == {"Bob"}
    assert office(raw).filed[0].contacts == frozenset()
    bare = eml(sender="web@formular.example")
    tables = company(contacts=[{"name": "Web", "emails": ["web@formular.example"]}])
    assert office(bare, tables=tables, reply_to_from=frozenset({"web@formular.example"})).filed[0].contacts == {"Web"}


@pytest.mark.parametrize(
    ("sender", "accounts"),
    [
        ("novy@acme.cz", [1]),
        ("novy@beta.example", [2]),
        ("cizi@gmail.com", None),
        ("cizi@jinde.example", None),
        ("jana@acme.cz", None),
    ],
)
def test_an_unknown_address_of_a_companys_domain_suggests_the_company(sender: str, accounts: list[int] | None) -> None:
    suggested = {s.target: s.payload["accounts"] for s in of(decided(eml(sender=sender)), Suggest)}
    assert suggested == ({sender: accounts} if accounts else {})


def test_our_own_domain_suggests_nobody() -> None:
    tables = company(accounts=[{"name": "My sami", "emails": ["fakturace@firma.cz"]}])
    assert of(decided(eml(sender="kdosi@firma.cz"), tables), Suggest) == []


def test_a_bounces_addresses_are_no_counterparty() -> None:
    assert office(report("bob@beta.example")).filed[0].contacts == frozenset()


# What the message brings along.


def test_attachments_are_what_is_no_body() -> None:
    raw = eml(
        "text",
        html="<p>x</p>",
        parts=[part("obsah", "application/pdf", "nabídka.pdf"), part("a", "text/plain", "a.txt")],
    )
    assert [attachment.name for attachment in decided(raw).message.attachments] == ["nabídka.pdf", "a.txt"]
