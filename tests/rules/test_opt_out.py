"""Rule 7 (manual 13): whoever asks for no more mail gets none."""

from __future__ import annotations

import pytest

from crmservice.crm.records import MarkAddress
from crmservice.testing.builders import Office, company, decided, eml, of


def marks(raw: bytes, **fields: object) -> list[MarkAddress]:
    return of(decided(raw, **fields), MarkAddress)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "subject",
    [
        "do not send", "DO NOT SEND", "I do not want", "neposílat", "NEPOSÍLAT", "neposilat", "nechci", "Nechci!",
        "Re: nechci", "Fwd: Re: do not send", "Odp: Nechci.", '"nechci"', "  do  not\tsend  ", "ne\u00adposílat", "[nechci]",
        "Re: - nechci -", "RE[2]: nechci",
    ],
)  # fmt: skip
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_a_subject_that_is_the_wish_is_honoured(subject: str, rules: str) -> None:
    office = Office(rules=rules)
    decision = office.receive(eml(subject=subject))
    assert of(decision, MarkAddress) == [MarkAddress("jana@acme.cz", "do_not_send", contacts=(1,))]
    assert decision.log == ("PROCESSED",)


@pytest.mark.parametrize(
    "subject", ["nechci novou nabídku", "please do not send", "I do not want it", "nechcipryc", "", "Re:", "send"]
)
def test_a_subject_that_only_holds_the_words_is_none(subject: str) -> None:
    assert marks(eml(subject=subject)) == []


def test_every_contact_and_account_with_the_address_is_marked() -> None:
    tables = company(accounts=[{"name": "Rodina", "emails": ["rodina@doma.example"]}])
    (mark,) = of(decided(eml(sender="Rodina@doma.example", subject="nechci"), tables), MarkAddress)
    assert (len(mark.contacts), len(mark.accounts)) == (2, 1)


def test_an_address_that_nobody_has_is_forbidden_by_each_mail_that_asks_for_it() -> None:
    office = Office()
    stranger = [eml(sender="cizi@jinde.example", subject=subject) for subject in ("nechci", "do not send")]
    for decision in office.receive_together(*stranger):
        assert of(decision, MarkAddress) == [MarkAddress("cizi@jinde.example", "do_not_send")]


def test_a_broken_address_can_still_opt_out() -> None:
    tables = company(forbidden_emails=[{"email": "cizi@jinde.example", "type": "broken"}])
    assert len(of(decided(eml(sender="cizi@jinde.example", subject="nechci"), tables), MarkAddress)) == 1


def test_it_counts_though_nobody_gets_an_activity() -> None:
    decision = decided(eml(subject="nechci", to="info@firma.cz"))
    assert decision.log == ("DELETED",)
    assert len(of(decision, MarkAddress)) == 1


@pytest.mark.parametrize(
    "sender",
    [
        "novak@firma.cz",
        "jan.novak@firma.cz",
        "novak+x@firma.cz",
        "kdokoli@firma.cz",
        "crm@firma.cz",
        "externi@partner.example",
    ],
)
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_our_own_addresses_are_never_marked(sender: str, rules: str) -> None:
    tables = company(contacts=[{"name": "Kolega", "emails": ["novak@firma.cz", "externi@partner.example"]}])
    decision = decided(eml(sender=sender, subject="nechci", to="svoboda@firma.cz, jana@acme.cz"), tables, rules=rules)
    assert of(decision, MarkAddress) == []


def test_an_unverified_wish_is_honoured_and_marked() -> None:
    (mark,) = marks(eml(subject="nechci"), authserv_ids=("mx.firma.cz",))
    assert mark.unverified
    proof = [("Authentication-Results", "mx.firma.cz; dmarc=pass header.from=acme.cz")]
    (mark,) = marks(eml(subject="nechci", headers=proof), authserv_ids=("mx.firma.cz",))
    assert not mark.unverified


def test_reply_to_opts_nobody_out() -> None:
    (mark,) = marks(eml(sender="cizi@jinde.example", reply_to="jana@acme.cz", subject="nechci"))
    assert mark.address == "cizi@jinde.example"


def test_it_goes_on_to_other_rules() -> None:
    office = Office()
    office.receive(eml(subject="Nechci", text="Zakázka: 123"))
    assert office.filed[0].contract == "123"
