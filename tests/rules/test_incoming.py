"""Rule 13 (manual 15.10): whom an incoming mail is filed for."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import TakeTurn
from crmservice.testing.builders import Office, company, decided, eml, of

FILED = ("PROCESSED",)


def responsible(*mails: bytes, **fields: object) -> list[str]:
    office = Office(**fields)  # type: ignore[arg-type]
    office.receive(*mails)
    return [filed.responsible for filed in office.filed]


def test_each_recipient_who_is_a_user_gets_one() -> None:
    raw = eml(
        to="novak@firma.cz, jiny@jinde.example", cc="Eva <SVOBODA@firma.cz>, nikdo@firma.cz", bcc="dvorak@firma.cz"
    )
    assert responsible(raw) == ["novak", "svoboda", "dvorak"]


@pytest.mark.parametrize(
    "to",
    [
        "jan.novak@firma.cz", "novak@firma.cz, jan.novak@firma.cz", "novak+web@firma.cz", "Jan.Novak+a+b@Firma.cz",
    ],
)  # fmt: skip
def test_aliases_and_tags_are_the_user_once(to: str) -> None:
    assert responsible(eml(to=to)) == ["novak"]


def test_an_exact_address_wins_over_the_one_without_tag() -> None:
    office = Office(company(users=[{"login": "web", "email": "novak+web@firma.cz", "role": "Servis"}]))
    office.receive(eml(to="novak+web@firma.cz"))
    assert [filed.responsible for filed in office.filed] == ["web"]


def test_tags_of_foreign_domains_are_part_of_the_address() -> None:
    assert responsible(eml(to="externi@partner.example")) == ["externi"]
    assert decided(eml(to="externi+x@partner.example")).log == ("DELETED",)


def test_an_inactive_user_still_gets_mail_filed() -> None:
    assert responsible(eml(to="byvala@firma.cz")) == ["byvala"]


def test_the_box_is_never_a_user() -> None:
    office = Office(company(users=[{"login": "box", "email": "crm@firma.cz"}]), rules="safe")
    office.receive(eml(to="crm@firma.cz"))
    assert (office.logs, office.filed) == ([("REROUTED", "DELETED")], [])


def test_nobody_among_the_recipients_is_a_user() -> None:
    assert decided(eml(to="nikdo@firma.cz")).log == ("DELETED",)


def test_incoming_mail_for_nobody_is_filed_for_its_sender_if_he_is_a_user() -> None:
    office = Office()
    office.receive(eml(sender="externi@partner.example", to="jana@acme.cz"))
    (filed,) = office.filed
    assert (filed.responsible, filed.direction, filed.contacts) == ("externi", "outgoing", frozenset({"Jana"}))


def test_a_colleagues_mail_to_one_colleague_is_the_colleagues() -> None:
    office = Office()
    office.receive(eml(sender="novak@firma.cz", to="svoboda@firma.cz"))
    (filed,) = office.filed
    assert (filed.responsible, filed.direction) == ("svoboda", "incoming")


# Shared addresses.


def shared(n: int, to: str = "obchod@firma.cz", **more: Any) -> bytes:
    return eml(f"dotaz {n}", to=to, subject=f"Dotaz {n}", **more)


def test_a_shared_address_with_a_responsible_user_is_his() -> None:
    assert responsible(shared(1, "servis@firma.cz")) == ["dvorak"]


def test_active_members_of_a_role_take_turns() -> None:
    assert responsible(*map(shared, range(5))) == ["novak", "svoboda", "novak", "svoboda", "novak"]


def test_turns_are_taken_in_a_batch_too() -> None:
    office = Office()
    office.receive(shared(0))
    office.receive_together(shared(1), shared(2), shared(1), shared(3))
    assert [filed.responsible for filed in office.filed] == ["novak", "svoboda", "novak", "svoboda"]


def test_a_duplicate_takes_no_turn() -> None:
    assert responsible(shared(1), shared(1), shared(2)) == ["novak", "svoboda"]


def test_each_shared_address_has_its_own_turns() -> None:
    office = Office(company(shared_addresses=[{"address": "poptavky@firma.cz", "role": "Obchod"}]))
    office.receive(shared(1), shared(2, "poptavky@firma.cz"), shared(3))
    assert [filed.responsible for filed in office.filed] == ["novak", "novak", "svoboda"]


def test_named_users_and_the_one_whose_turn_it_is_each_get_one() -> None:
    assert responsible(shared(1, "obchod@firma.cz, dvorak@firma.cz")) == ["dvorak", "novak"]
    assert responsible(shared(1, "obchod@firma.cz, novak@firma.cz")) == ["novak"]


def test_a_role_without_active_members_files_nothing() -> None:
    tables = company(roles=[{"name": "Nikdo"}], shared_addresses=[{"address": "pusto@firma.cz", "role": "Nikdo"}])
    decision = decided(shared(1, "pusto@firma.cz"), tables)
    assert decision.log == ("DELETED",)
    assert of(decision, TakeTurn) == []


def test_the_shared_addresses_tag_does_not_matter() -> None:
    assert responsible(shared(1, "obchod+web@firma.cz")) == ["novak"]


def test_outgoing_mail_takes_no_turn() -> None:
    decision = decided(eml(sender="novak@firma.cz", to="jana@acme.cz", cc="obchod@firma.cz"))
    assert of(decision, TakeTurn) == []


# rules=safe: rerouting and the delivery's recipients.


def test_a_customers_reply_to_all_is_outgoing_in_the_manual_mode() -> None:
    assert decided(eml(cc="crm@firma.cz")).log == ("DELETED",)


def test_a_customers_reply_to_all_is_incoming_in_safe_mode() -> None:
    office = Office(rules="safe")
    office.receive(eml(cc="crm@firma.cz"))
    assert office.logs == [("REROUTED", "PROCESSED")]
    (filed,) = office.filed
    assert (filed.direction, filed.responsible, filed.contacts) == ("incoming", "novak", frozenset({"Jana"}))


def test_rerouting_for_nobody_ends_unfiled() -> None:
    assert decided(eml(to="info@firma.cz", cc="crm@firma.cz"), rules="safe").log == ("REROUTED", "DELETED")
    assert decided(eml(sender="byvaly@firma.cz", to="jana@acme.cz, x@y.cz"), rules="safe").log == (
        "REROUTED",
        "DELETED",
    )


def test_a_users_outgoing_mail_is_not_rerouted() -> None:
    office = Office(rules="safe")
    office.receive(eml(sender="novak@firma.cz", to="svoboda@firma.cz", cc="crm@firma.cz"))
    assert office.logs == [FILED]
    assert office.filed[0].direction == "outgoing"


def test_a_rerouted_mail_reaches_a_shared_address() -> None:
    office = Office(rules="safe")
    office.receive(shared(1, "obchod@firma.cz, crm@firma.cz"))
    assert (office.logs, office.filed[0].responsible) == ([("REROUTED", "PROCESSED")], "novak")


@pytest.mark.parametrize("header", ["Delivered-To", "X-Original-To", "X-Forwarded-To"])
def test_in_safe_mode_the_deliverys_user_counts_as_a_recipient(header: str) -> None:
    raw = eml(to="nekdo@jinde.example", headers=[(header, "crm@firma.cz"), (header, "<Svoboda@firma.cz>")])
    assert responsible(raw, rules="safe") == ["svoboda"]
    assert decided(raw).log == ("DELETED",)


def test_in_safe_mode_whoever_resent_it_counts_as_a_recipient() -> None:
    raw = eml(to="nekdo@jinde.example", headers=[("Resent-From", "Eva <svoboda@firma.cz>")])
    assert responsible(raw, rules="safe") == ["svoboda"]


def test_in_safe_mode_the_boxs_own_line_is_nobody() -> None:
    raw = eml(to="nekdo@jinde.example", headers=[("Delivered-To", "crm@firma.cz")])
    assert decided(raw, rules="safe").log == ("DELETED",)
