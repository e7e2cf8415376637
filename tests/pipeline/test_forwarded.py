"""SPEC chapter 4, safe mode: a colleague forwards a mail by hand to the box alone."""

from __future__ import annotations

import pytest

from crmservice.crm.records import PutInvitation, Suggest
from crmservice.testing.builders import Office, calendar, decided, eml, nested, of, part

INNER = eml("původní text", subject="Dotaz", message_id="inner@acme.cz", to="info@firma.cz")
PROOF = [("Authentication-Results", "mx.firma.cz; dmarc=pass header.from=firma.cz")]


def forward(
    inner: bytes = INNER,
    *,
    subject: str = "Fwd: Dotaz",
    to: str = "crm@firma.cz",
    sender: str = "novak@firma.cz",
    more: tuple[bytes, ...] = (),
    **fields: str,
) -> bytes:
    return eml("viz níže", sender=sender, to=to, subject=subject, parts=[nested(inner), *more], headers=PROOF, **fields)


def test_it_is_filed_as_the_incoming_mail_it_was() -> None:
    office = Office(rules="safe")
    decision = office.receive(forward())
    assert decision.log == ("UNWRAPPED", "PROCESSED")
    (filed,) = office.filed
    assert (filed.responsible, filed.direction, filed.subject, filed.contacts) == (
        "novak",
        "incoming",
        "Dotaz",
        frozenset({"Jana"}),
    )
    assert decision.message.text.strip() == "původní text"
    assert decision.trail[0].rule == "hand_forwarded"


@pytest.mark.parametrize("subject", ["Fwd: Dotaz", "FW: Dotaz", "Př: Dotaz", "fwd:"])
def test_the_subject_says_that_it_is_forwarded(subject: str) -> None:
    assert decided(forward(subject=subject), rules="safe").log == ("UNWRAPPED", "PROCESSED")


@pytest.mark.parametrize("subject", ["Dotaz", "Re: Dotaz", "Re: Fwd: Dotaz"])
def test_other_subjects_are_the_colleagues_own_mail(subject: str) -> None:
    office = Office(rules="safe")
    office.receive(forward(subject=subject))
    assert office.logs == [("PROCESSED",)]
    assert (office.filed[0].direction, office.filed[0].subject) == ("outgoing", subject)


@pytest.mark.parametrize("to", ["crm@firma.cz, svoboda@firma.cz", "svoboda@firma.cz", "crm@firma.cz, jana@acme.cz"])
def test_only_to_the_box_alone(to: str) -> None:
    assert "UNWRAPPED" not in decided(forward(to=to), rules="safe").log


def test_the_boxs_tag_does_not_matter() -> None:
    assert decided(forward(to="crm+fwd@firma.cz"), rules="safe").log == ("UNWRAPPED", "PROCESSED")


def test_only_by_a_user() -> None:
    assert "UNWRAPPED" not in decided(forward(sender="jana@acme.cz"), rules="safe").log


def test_not_in_the_manual_mode() -> None:
    assert decided(forward()).log == ("PROCESSED",)


def test_of_two_nested_mails_neither_is_the_original() -> None:
    assert decided(forward(more=(nested(INNER),)), rules="safe").log == ("PROCESSED",)


def test_where_proof_is_asked_the_forwarder_must_be_verified() -> None:
    office = Office(rules="safe", authserv_ids=("mx.firma.cz",))
    office.receive(forward())
    assert office.logs == [("UNWRAPPED", "PROCESSED")]
    assert office.filed[0].unverified
    forged = forward().replace(b"dmarc=pass", b"dmarc=fail")
    assert "UNWRAPPED" not in decided(forged, rules="safe", authserv_ids=("mx.firma.cz",)).log


def test_a_mail_that_was_captured_before_is_a_duplicate_that_adds_the_forwarder() -> None:
    office = Office(rules="safe")
    office.receive(INNER.replace(b"info@firma.cz", b"svoboda@firma.cz"))
    again = forward(INNER.replace(b"info@firma.cz", b"svoboda@firma.cz"))
    office.receive(again, again)
    assert office.logs == [
        ("PROCESSED",),
        ("UNWRAPPED", "DUPLICATE KEY", "RECIPIENT ADDED"),
        ("UNWRAPPED", "DUPLICATE KEY", "DELETED"),
    ]
    assert [filed.responsible for filed in office.filed] == ["svoboda", "novak"]


def test_the_same_mail_forwarded_twice_is_filed_once() -> None:
    office = Office(rules="safe")
    office.receive(forward(), forward(subject="FW: Dotaz"))
    assert office.logs[1] == ("UNWRAPPED", "DUPLICATE KEY", "DELETED")
    assert len(office.filed) == 1


def test_the_rules_judge_the_mail_inside() -> None:
    spam = eml(sender="nikdo")
    assert decided(forward(spam), rules="safe").log == ("UNWRAPPED", "SPAM", "DELETED")
    ignored = eml(subject="výpadek")
    decision = decided(forward(ignored), rules="safe", ignore_subjects=("výpadek",))
    assert decision.log == ("UNWRAPPED", "IGNORED SUBJECT", "DELETED")


def test_its_invitation_is_the_forwarders() -> None:
    inner = eml(to="svoboda@firma.cz", parts=[calendar()])
    office = Office(rules="safe")
    assert [office.login(put.user) for put in of(office.receive(forward(inner)), PutInvitation)] == ["novak"]


def test_its_markers_are_trusted_as_the_colleagues() -> None:
    office = Office(rules="safe")
    office.receive(forward(eml(sender="eve@evil.test", subject="zak:124")))
    assert office.filed[0].contract == "124"


# A quoted header block.

OUTLOOK = "Prosím zaevidovat.\n\nFrom: Bob Client <bob@beta.example>\nSent: Monday, March 2, 2026 9:00 AM\nTo: novak@firma.cz\nSubject: Poptávka\n\nChceme dva.\n"
GMAIL = "---------- Forwarded message ---------\nOd: Bob Client <bob@beta.example>\nDate: po 2. 3. 2026 v 9:00\nSubject: Poptávka\nTo: <novak@firma.cz>\n\nChceme dva.\n"


@pytest.mark.parametrize("text", [OUTLOOK, GMAIL], ids=["outlook", "gmail"])
def test_a_quoted_original_is_a_suggestion(text: str) -> None:
    office = Office(rules="safe")
    decision = office.receive(eml(text, sender="novak@firma.cz", to="crm@firma.cz", subject="FW: Poptávka"))
    assert decision.log == ("PROCESSED",)
    assert (office.filed[0].direction, office.filed[0].responsible) == ("outgoing", "novak")
    (suggest,) = of(decision, Suggest)
    assert (suggest.kind, suggest.target) == ("forwarded", "bob@beta.example")
    assert (suggest.payload["subject"], suggest.payload["contacts"], suggest.payload["accounts"]) == (
        "Poptávka",
        [2],
        [2],
    )


@pytest.mark.parametrize(
    "raw",
    [
        eml(OUTLOOK, sender="novak@firma.cz", to="crm@firma.cz, jana@acme.cz", subject="FW: x"),
        eml(OUTLOOK, sender="novak@firma.cz", to="crm@firma.cz", subject="x"),
        eml("Žádný blok.", sender="novak@firma.cz", to="crm@firma.cz", subject="FW: x"),
        eml(
            OUTLOOK,
            sender="jana@acme.cz",
            to="crm@firma.cz",
            subject="FW: x",
            headers=[("Delivered-To", "novak@firma.cz")],
        ),
    ],
    ids=["others-too", "not-forwarded", "no-block", "no-user"],
)
def test_other_mail_suggests_no_original(raw: bytes) -> None:
    assert [s.kind for s in of(decided(raw, rules="safe"), Suggest)] in ([], ["account"])


def test_the_manual_mode_suggests_no_original() -> None:
    assert of(decided(eml(OUTLOOK, sender="novak@firma.cz", to="crm@firma.cz", subject="FW: x")), Suggest) == []


def test_an_attachment_that_is_no_mail_unwraps_nothing() -> None:
    raw = eml(
        "x", sender="novak@firma.cz", to="crm@firma.cz", subject="Fwd: x", parts=[part("x", "application/pdf", "a.pdf")]
    )
    assert decided(raw, rules="safe").log == ("PROCESSED",)
