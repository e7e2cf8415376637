"""Rule 8 (manual 13) and SPEC 13.5: dead addresses."""

from __future__ import annotations

import pytest

from crmservice.crm.records import MarkAddress, Suggest
from crmservice.testing.builders import SENT, Office, company, decided, effects, eml, of, report

MANUAL_1 = "The following mail failed to be delivered...\n\nTo: bob@beta.example\nTo: mrtvy@jinde.example\n"
MANUAL_2 = (
    "I'm sorry. Your message could not\nbe delivered to one or more recipients.\n\n"
    "<bob@beta.example>: host said: 550 User unknown\n<mrtvy@jinde.example>: unknown\n"
)
DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.test>"


def marked(raw: bytes, **fields: object) -> dict[str, MarkAddress]:
    return {mark.address: mark for mark in of(decided(raw, **fields), MarkAddress)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Undeliverable Mail", MANUAL_1),
        ("undeliverable MAIL: nabídka", MANUAL_1),
        ("Undelivered Mail Returned to Sender", MANUAL_2),
    ],
)
def test_the_manuals_texts_mark_the_addresses_they_name(subject: str, text: str) -> None:
    marks = marked(eml(text, sender=DAEMON, subject=subject))
    assert marks == {
        "bob@beta.example": MarkAddress("bob@beta.example", "broken", contacts=(2,)),
        "mrtvy@jinde.example": MarkAddress("mrtvy@jinde.example", "broken"),
    }


@pytest.mark.parametrize(
    ("subject", "text"),
    [("Undeliverable Mail", "To: bob@beta.example"), ("Undelivered Mail", MANUAL_1), ("Něco jiného", MANUAL_1)],
)
def test_a_part_of_the_manuals_texts_marks_nobody(subject: str, text: str) -> None:
    assert marked(eml(text, subject=subject)) == {}


def test_an_address_before_the_sentence_is_not_meant() -> None:
    text = "To: jana@acme.cz\n" + MANUAL_1
    assert "jana@acme.cz" not in marked(eml(text, sender=DAEMON, subject="Undeliverable Mail"))


@pytest.mark.parametrize("status", ["5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.1"])
def test_a_status_of_a_dead_address_marks_it(status: str) -> None:
    assert list(marked(report("bob@beta.example", status=status))) == ["bob@beta.example"]


@pytest.mark.parametrize("status", ["5.2.2", "5.7.1", "5.3.4", "5.0.0", "5.4.4", "5.1.8", "4.4.7"])
def test_a_full_box_a_policy_or_a_size_marks_nothing(status: str) -> None:
    assert marked(report("bob@beta.example", status=status)) == {}


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_only_failed_marks(action: str) -> None:
    assert marked(report("bob@beta.example", action=action, status="4.0.0" if action == "delayed" else "2.0.0")) == {}


@pytest.mark.parametrize("status", ["5.1.1", "5.2.2", "5.7.1"])
@pytest.mark.parametrize("pending", [False, True])
def test_the_activity_of_a_bounce_is_not_completed(status: str, pending: bool) -> None:
    office = Office(save_incoming_as_pending=pending)
    office.receive(report("bob@beta.example", status=status))
    assert office.filed[0].completed is None
    assert office.filed[0].due == (SENT if pending else None)


def test_a_mere_delay_is_completed_like_other_mail() -> None:
    office = Office()
    office.receive(report("bob@beta.example", action="delayed", status="4.4.1"))
    assert office.filed[0].completed == SENT


def test_at_most_fifty_are_marked_from_one_mail() -> None:
    raw = report(*[f"a{n}@jinde.example" for n in range(80)])
    assert list(marked(raw)) == [f"a{n}@jinde.example" for n in range(50)]


def test_ours_do_not_count_among_the_fifty() -> None:
    raw = report(*[f"u{n}@firma.cz" for n in range(60)], "bob@beta.example")
    assert list(marked(raw)) == ["bob@beta.example"]


@pytest.mark.parametrize("address", ["novak@firma.cz", "kdokoli@firma.cz", "crm@firma.cz", "externi@partner.example"])
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_our_own_addresses_are_never_marked(address: str, rules: str) -> None:
    decision = decided(report(address), rules=rules)
    assert effects(decision) == []


def test_each_report_asks_for_its_mark_so_that_one_can_be_taken_back_without_the_other() -> None:
    office = Office()
    office.receive(report("mrtvy@jinde.example"), report("mrtvy@jinde.example", to="sef@firma.cz"))
    assert [len(of(decision, MarkAddress)) for decision in office.decisions] == [1, 1]


def test_accounts_with_the_address_are_marked() -> None:
    assert marked(report("info@acme.cz"))["info@acme.cz"] == MarkAddress("info@acme.cz", "broken", accounts=(1,))


def test_a_bounce_to_nobody_marks_and_is_not_filed() -> None:
    decision = decided(report("bob@beta.example", to="info@firma.cz"))
    assert decision.log == ("DELETED",)
    assert len(of(decision, MarkAddress)) == 1


# 13.5: with rules=safe a bounce is believed only for something we sent.

OUR_MAIL = eml("nabídka", sender="novak@firma.cz", to="jana@acme.cz", message_id="ours@firma.cz")


def test_in_safe_mode_a_bounce_for_nothing_we_sent_is_a_suggestion() -> None:
    decision = decided(report("bob@beta.example"), rules="safe")
    assert effects(decision) == [Suggest("broken", "bob@beta.example", {"because": "nothing-sent"})]
    assert decision.log == ("PROCESSED",)


def test_in_safe_mode_an_address_that_we_wrote_to_is_believed() -> None:
    office = Office(rules="safe")
    office.receive(OUR_MAIL)
    decision = office.receive(report("jana@acme.cz", "bob@beta.example"))
    assert [type(effect).__name__ for effect in effects(decision)] == ["MarkAddress", "Suggest"]
    assert of(decision, MarkAddress)[0].address == "jana@acme.cz"


def test_in_safe_mode_a_quoted_message_id_of_ours_is_believed() -> None:
    office = Office(rules="safe")
    office.receive(OUR_MAIL)
    decision = office.receive(report("bob@beta.example", quoted_id="ours@firma.cz"))
    assert [mark.address for mark in of(decision, MarkAddress)] == ["bob@beta.example"]
    other = office.receive(report("solo@nikde.example", quoted_id="guess@firma.cz"))
    assert of(other, MarkAddress) == []


def test_mail_that_we_got_is_nothing_we_sent() -> None:
    office = Office(rules="safe")
    office.receive(eml(message_id="theirs@acme.cz"))
    decision = office.receive(report("bob@beta.example", "jana@acme.cz", quoted_id="theirs@acme.cz"))
    assert of(decision, MarkAddress) == []


def test_our_mail_of_the_same_batch_counts() -> None:
    _, bounced = Office(rules="safe").receive_together(OUR_MAIL, report("jana@acme.cz"))
    assert len(of(bounced, MarkAddress)) == 1


def test_a_forged_bounce_cannot_empty_the_address_book() -> None:
    """Ten thousand addresses in the text: nothing is marked in safe mode, fifty at most in the manual's."""
    text = "The following mail failed to be delivered...\n" + "".join(
        f"To: a{n}@jinde.example\n" for n in range(10_000)
    )
    raw = eml(text, sender="eve@evil.test", subject="Undeliverable Mail")
    assert of(decided(raw, rules="safe"), MarkAddress) == []
    assert len(effects(decided(raw, rules="safe"))) <= 50
    assert len(marked(raw)) <= 50


def test_a_contact_of_ours_is_not_completed_nor_linked_by_the_bounce() -> None:
    office = Office(company(contacts=[{"name": "Démon", "emails": ["mailer-daemon@mx.test"]}]))
    office.receive(report("bob@beta.example"))
    assert office.filed[0].contacts == {"Démon"}
