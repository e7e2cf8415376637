"""Rule 1 (manual 15.1): the same mail counts once; what only looks the same is not the same."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import Contact, CreateTask, MarkAddress, PutInvitation
from crmservice.pipeline.rule import Verdict
from crmservice.testing.builders import Office, calendar, eml, of, report

REPEATED = ("DUPLICATE KEY", "DELETED")
ADDED = ("DUPLICATE KEY", "RECIPIENT ADDED")


def logs(*mails: bytes, **fields: object) -> list[tuple[str, ...]]:
    office = Office(**fields)  # type: ignore[arg-type]
    office.receive(*mails)
    return office.logs


def test_a_repeated_message_makes_one_activity() -> None:
    office = Office()
    office.receive(eml(message_id="a@x"), eml(message_id="a@x"))
    assert office.logs == [("PROCESSED",), REPEATED]
    assert len(office.filed) == 1
    assert office.decisions[1].intents == ()
    assert office.decisions[1].first == 1
    assert office.decisions[1].verdict is Verdict.DUPLICATE


def test_every_later_copy_is_linked_to_the_first() -> None:
    office = Office()
    office.receive(*[eml(message_id="a@x", headers=[("X-Copy", str(n))]) for n in range(4)])
    assert [decision.first for decision in office.decisions] == [None, 1, 1, 1]


def test_a_copy_in_the_same_batch_is_a_duplicate_too() -> None:
    office = Office()
    decisions = office.receive_together(eml(message_id="a@x"), eml(message_id="a@x"), eml(subject="jiný"))
    assert [decision.log for decision in decisions] == [("PROCESSED",), REPEATED, ("PROCESSED",)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (eml(message_id="a@x", text="jeden"), eml(message_id="a@x", text="druhý")),
        (eml(message_id="a@x", text="stejný text"), eml(message_id="b@x", text="stejný \n\n text  ")),
        (eml(message_id=None), eml(message_id=None)),
        (eml(message_id="a@x", to="a@x.cz, b@x.cz"), eml(message_id="a@x", to="B@x.cz", cc="A@X.CZ")),
        (eml(message_id="a@x", sender="Jana <jana@acme.cz>"), eml(message_id="a@x", sender="JANA@ACME.CZ")),
        (eml(message_id="a@x", subject="Dva  tři"), eml(message_id="a@x", subject="Dva tři")),
        (eml(message_id="a@x", date="Mon, 2 Mar 2026 10:00:00 +0100"), eml(message_id="a@x", date="2 Mar 2026 09:00:00 GMT")),
        (eml(message_id="a@x"), eml(message_id="a@x", bcc="svoboda@firma.cz")),
    ],
    ids=["id", "body", "no-id", "set", "case", "whitespace", "instant", "without-bcc"],
)  # fmt: skip
def test_what_counts_is_the_key_and_the_id_or_the_body(first: bytes, second: bytes) -> None:
    assert logs(first, second)[1] == REPEATED


@pytest.mark.parametrize(
    "other",
    [
        eml("jeden", message_id="a@x", date="Mon, 2 Mar 2026 10:00:01 +0100"),
        eml("jeden", message_id="a@x", sender="bob@beta.example"),
        eml("jeden", message_id="a@x", to="novak@firma.cz, svoboda@firma.cz"),
        eml("jeden", message_id="a@x", subject="Jiný dotaz"),
        eml("druhý", message_id="b@x"),
        eml("druhý", message_id=None),
    ],
    ids=["second", "sender", "recipients", "subject", "id-and-body", "no-id-other-body"],
)
def test_a_difference_in_the_key_or_in_id_and_body_is_another_mail(other: bytes) -> None:
    assert logs(eml("jeden", message_id="a@x"), other)[1] == ("PROCESSED",)


def test_a_forged_key_does_not_keep_the_real_mail_out() -> None:
    """Dedup poisoning: date, sender, recipients and subject guessed beforehand, another text and id."""
    office = Office()
    office.receive(eml("podvržený", message_id="eve@evil.test"), eml("pravý", message_id="real@acme.cz"))
    assert office.logs == [("PROCESSED",), ("PROCESSED",)]
    assert "key-collision" in [step.code for step in office.decisions[1].trail]


@pytest.mark.parametrize("date", [None, "kdysi"])
def test_without_a_usable_date_the_bodies_must_be_equal(date: str | None) -> None:
    same_id = eml("jeden", message_id="a@x", date=date), eml("druhý", message_id="a@x", date=date)
    same_body = eml("jeden", message_id="a@x", date=date), eml("jeden", message_id="b@x", date=date)
    assert logs(*same_id)[1] == ("PROCESSED",)
    assert logs(*same_body)[1] == REPEATED


def test_a_mail_without_sender_is_recognised_by_what_stands_there() -> None:
    assert logs(eml(sender="nikdo", message_id="a@x"), eml(sender="nikdo", message_id="a@x"))[1] == REPEATED


def test_effects_of_the_first_are_not_repeated() -> None:
    first = eml(sender="sef@firma.cz", subject="New task: zavolat", message_id="a@x")
    office = Office()
    office.receive(first, first)
    assert [len(of(decision, CreateTask)) for decision in office.decisions] == [1, 0]


def blind(user: str, **more: Any) -> bytes:
    """jana's mail to novak, delivered to another user."""
    headers = [("Delivered-To", "crm@firma.cz"), ("Delivered-To", f"{user}@firma.cz")]
    return eml(headers=headers, **({"message_id": "a@x"} | more))


def test_a_user_whom_only_a_copy_names_gets_his_activity() -> None:
    office = Office(rules="safe")
    office.receive(blind("novak"), blind("svoboda"), blind("svoboda"), blind("dvorak"))
    assert office.logs == [("PROCESSED",), ADDED, REPEATED, ADDED]
    assert [filed.responsible for filed in office.filed] == ["novak", "svoboda", "dvorak"]
    assert {filed.thread for filed in office.filed} == {office.filed[0].thread}
    assert [decision.first for decision in office.decisions] == [None, 1, 1, 1]


def test_the_manual_mode_looks_at_no_delivery() -> None:
    office = Office()
    office.receive(blind("novak"), blind("svoboda"))
    assert office.logs == [("PROCESSED",), REPEATED]


def test_an_added_recipient_gets_his_invitation_too() -> None:
    office = Office(rules="safe")
    copies = [
        eml(headers=[("Delivered-To", f"{u}@firma.cz")], parts=[calendar()], message_id="a@x")
        for u in ("novak", "svoboda")
    ]
    office.receive(*copies)
    assert [[put.user for put in of(decision, PutInvitation)] for decision in office.decisions] == [[2], [3]]


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"ignore_subjects": ("výpadek",)}, {"subject": "Výpadek serveru"}),
        ({"never_file": frozenset({"acme.cz"})}, {}),
        ({"bulk_mail": "list"}, {"list_id": "<novinky.acme.cz>"}),
        ({"only_known_senders": True}, {"sender": "cizi@jinde.example"}),
        ({"service_senders": frozenset({"jana@acme.cz"})}, {}),
        ({}, {"sender": "nikdo"}),
    ],
    ids=["ignored", "never-filed", "bulk", "unknown", "system", "spam"],
)  # fmt: skip
def test_a_copy_of_mail_that_is_left_out_is_left_out_for_a_new_user_too(
    fields: dict[str, Any], more: dict[str, str]
) -> None:
    office = Office(rules="safe", **fields)
    office.receive(blind("novak", **more), blind("svoboda", **more))
    assert office.logs[0][-1] == "DELETED"
    assert office.logs[1] == REPEATED
    assert office.filed == []


def test_effects_are_not_repeated_for_an_added_recipient() -> None:
    office = Office(rules="safe")
    office.receive(blind("novak", subject="nechci"), blind("svoboda", subject="nechci"))
    assert office.logs[1] == ADDED
    assert [len(of(decision, MarkAddress)) for decision in office.decisions] == [1, 0]


def test_a_bounce_stays_open_for_an_added_recipient_and_marks_once() -> None:
    raw = report("bob@beta.example")
    office = Office(rules="safe")
    office.receive(eml(sender="novak@firma.cz", to="bob@beta.example"))
    office.receive(b"Delivered-To: novak@firma.cz\r\n" + raw, b"Delivered-To: svoboda@firma.cz\r\n" + raw)
    assert office.logs[1:] == [("PROCESSED",), ADDED]
    assert [filed.completed for filed in office.filed[1:]] == [None, None]
    assert [len(of(decision, MarkAddress)) for decision in office.decisions] == [0, 1, 0]


def test_a_colleagues_blind_copy_of_outgoing_mail_is_nobodys_activity() -> None:
    copies = [
        eml(sender="novak@firma.cz", to="jana@acme.cz", message_id="a@x", headers=[("Delivered-To", to)])
        for to in ("crm@firma.cz", "svoboda@firma.cz")
    ]
    office = Office(rules="safe")
    office.receive(*copies)
    assert office.logs == [("PROCESSED",), REPEATED]


def test_a_rerouted_mails_copy_adds_its_recipient_with_the_plain_words() -> None:
    office = Office(rules="safe")
    office.receive(blind("novak", cc="crm@firma.cz"), blind("svoboda", cc="crm@firma.cz"))
    assert office.logs == [("REROUTED", "PROCESSED"), ADDED]
    assert {filed.direction for filed in office.filed} == {"incoming"}
    assert Contact(1, "Jana", 1) in office.gateway.directory.contacts["jana@acme.cz"]
