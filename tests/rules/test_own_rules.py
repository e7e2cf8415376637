"""6d and after 11: an administrator's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.crm.own_rules import CONDITIONS, FILINGS, refused
from crmservice.crm.records import CreateActivity
from crmservice.crm.tables import BadTables
from crmservice.pipeline.rule import Decision
from crmservice.testing.builders import COMPANY, Office, decided, eml, of

Rule = dict[str, Any]
SKIP: Rule = {"name": "left out", "from": "jana@acme.cz", "skip": True}


def with_rules(*rules: Rule) -> dict[str, Any]:
    return {**COMPANY, "own_rules": list(rules)}


def received(raw: bytes, *rules: Rule, **box: Any) -> Decision:
    return decided(raw, with_rules(*rules), **box)


def code(decision: Decision, rule: str) -> str:
    return next(step.code for step in decision.trail if step.rule == rule)


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ({"from": "jana@acme.cz"}, True),
        ({"from": "acme.cz"}, True),
        ({"from": "@acme.cz"}, True),
        ({"from": "cme.cz"}, False),
        ({"to": "firma.cz"}, True),
        ({"to": "acme.cz"}, False),
        ({"subject": "ZLUTY kun"}, True),
        ({"subject": "kůň žlutý"}, False),
        ({"text": "dobry den"}, True),
        ({"text": "sbohem"}, False),
        ({"header": "X-Shop: objednavka"}, True),
        ({"header": "x-shop: Objednávka 7"}, True),
        ({"header": "X-Shop: faktura"}, False),
        ({"header": "X-Other: objednavka"}, False),
        ({"from": "acme.cz", "subject": "faktura"}, False),
    ],
)
def test_every_condition_that_is_given_must_hold(condition: Rule, fits: bool) -> None:
    mail = eml("Dobrý den,", subject="Žlutý  kůň", headers=[("X-Shop", "=?utf-8?q?Objedn=C3=A1vka_7?=")])
    decision = received(mail, {"name": "one", "skip": True, **condition})
    assert (decision.log == ("OWN RULE", "DELETED")) is fits


def test_what_an_own_rule_skips_makes_nothing_and_says_which_rule_it_was() -> None:
    decision = received(eml("Zakázka: 123"), SKIP)
    assert (decision.log, decision.intents) == (("OWN RULE", "DELETED"), ())
    assert decision.trail[-1].evidence == {"name": "left out"}


def test_the_first_rule_by_position_decides() -> None:
    rules = [
        {"name": "second", "from": "acme.cz", "scope": "p-", "position": 2},
        {"name": "first", "from": "acme.cz", "contract": "123", "position": 1},
    ]
    decision = received(eml("x"), *rules)
    step = next(step for step in decision.trail if step.rule == "own_rule" and step.matched)
    assert step.evidence == {"name": "first"}


def test_without_own_rules_nothing_is_asked_of_a_mail() -> None:
    decision = decided(eml("x"), COMPANY)
    assert [step.code for step in decision.trail if step.rule == "own_rule"] == ["no-own-rule", "no-own-rule"]


def test_a_rule_files_under_what_the_mail_leaves_open() -> None:
    office = Office(
        with_rules({"name": "one", "from": "acme.cz", "contract": "123", "type": "Dokumentace", "scope": "p-"})
    )
    office.receive(eml("x"))
    (filed,) = office.filed
    assert (filed.contract, filed.type, filed.scope) == ("123", "Dokumentace", "p-")


def test_the_responsible_person_of_a_rule_gets_the_mail_instead_of_its_recipients() -> None:
    office = Office(with_rules({"name": "one", "from": "acme.cz", "responsible": "svoboda"}))
    office.receive(
        eml("x", to="novak@firma.cz"), eml("y", to="nobody@elsewhere.example", subject="y", message_id="y@x")
    )
    assert [filed.responsible for filed in office.filed] == ["svoboda", "svoboda"]


def test_a_duplicate_is_nobodys_a_second_time() -> None:
    office = Office(with_rules({"name": "one", "from": "acme.cz", "responsible": "svoboda"}))
    office.receive(eml("x"), eml("x"))
    assert [log[-1] for log in office.logs] == ["PROCESSED", "DELETED"]


def test_private_mail_stays_private_whatever_a_rule_says() -> None:
    mail = eml("x", headers=[("Sensitivity", "private")])
    (made,) = of(received(mail, {"name": "one", "from": "acme.cz", "scope": "p1"}), CreateActivity)
    assert made.scope == "p-"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"skip": True}, "asks for nothing"),
        ({"from": "acme.cz"}, "does nothing"),
        ({"from": "acme.cz", "skip": True, "contract": "123"}, "one of the two"),
        ({"from": "jana at acme", "skip": True}, "neither an address nor a domain"),
        ({"to": "acme", "skip": True}, "neither an address nor a domain"),
        ({"header": "X-Shop", "skip": True}, "Name: words"),
        ({"header": ": words", "skip": True}, "Name: words"),
        ({"subject": "\u200b", "skip": True}, "nothing that could be found"),
        ({"from": "acme.cz", "contract": "999-unknown"}, "there is no"),
    ],
)
def test_a_rule_that_can_never_do_anything_is_refused(rule: Rule, why: str) -> None:
    with pytest.raises(BadTables, match=why):
        Office(with_rules({"name": "one", **rule}))


@given(
    st.dictionaries(st.sampled_from(CONDITIONS), st.text(max_size=5)),
    st.dictionaries(st.sampled_from(FILINGS), st.sampled_from(["", "x"])),
    st.booleans(),
)
def test_what_is_not_refused_asks_for_something_and_does_one_thing(conditions: Rule, filings: Rule, skip: bool) -> None:
    if refused({**conditions, **filings, "skip": skip}) is None:
        assert any(conditions.values())
        assert skip is not any(filings.values())
