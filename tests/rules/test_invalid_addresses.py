"""Rule 3 (manual 15.3): mail nobody can answer, and mail to oneself, is spam."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.testing.builders import decided, eml, report

SPAM = ("SPAM", "DELETED")


@pytest.mark.parametrize(
    "sender",
    [
        "nobody", "", "<>", "Jana", "jana@", "@acme.cz", "jana@@acme.cz", "jana acme.cz",
        "jana@acme.cz, bob@beta.example", "boss@firma.cz <eve@evil.test>", "jana@acme.cz bob",
    ],
)  # fmt: skip
def test_a_mail_without_a_usable_sender_is_spam(sender: str) -> None:
    decision = decided(eml(sender=sender))
    assert decision.log == SPAM
    assert decision.intents == ()


def test_two_from_headers_are_no_sender() -> None:
    assert decided(eml(headers=[("From", "sef@firma.cz")])).log == SPAM


@pytest.mark.parametrize(
    "sender", ['"boss@firma.cz" <jana@acme.cz>', "jana@acme.cz", "Jana <JANA@ACME.CZ>", '"jana@acme.cz" <jana@acme.cz>']
)
def test_a_quoted_name_may_hold_anything(sender: str) -> None:
    decision = decided(eml(sender=sender))
    assert decision.log == ("PROCESSED",)
    assert decision.message.sender is not None
    assert decision.message.sender.email == "jana@acme.cz"


def test_a_quoted_name_with_another_address_is_marked() -> None:
    assert decided(eml(sender='"boss@firma.cz" <jana@acme.cz>')).message.sender_marked
    assert not decided(eml(sender='"jana@acme.cz" <jana@acme.cz>')).message.sender_marked


@pytest.mark.parametrize("to", ["novak@firma.cz", "NOVAK@firma.cz", "Jan <novak@firma.cz>, novak@firma.cz"])
def test_mail_from_somebody_to_himself_alone_is_spam(to: str) -> None:
    assert decided(eml(sender="novak@firma.cz", to=to)).log == SPAM


@pytest.mark.parametrize("more", [{"cc": "jana@acme.cz"}, {"bcc": "jana@acme.cz"}, {"cc": "crm@firma.cz"}])
def test_one_more_recipient_makes_it_mail(more: dict[str, Any]) -> None:
    assert decided(eml(sender="novak@firma.cz", to="novak@firma.cz", **more)).log == ("PROCESSED",)


def test_a_blind_copy_to_oneself_alone_is_spam() -> None:
    assert decided(eml(sender="novak@firma.cz", to="", bcc="novak@firma.cz")).log == SPAM


def test_a_bounce_needs_no_sender() -> None:
    raw = report("bob@beta.example").replace(b"MAILER-DAEMON@mx.test", b"MAILER-DAEMON")
    decision = decided(raw)
    assert decision.message.sender is None
    assert decision.log == ("PROCESSED",)


def test_resent_fields_make_neither_sender_nor_recipient() -> None:
    resent = [("Resent-From", "svoboda@firma.cz"), ("Resent-To", "novak@firma.cz")]
    assert decided(eml(sender="nobody", headers=resent)).log == SPAM
    assert decided(eml(to="nikdo@jinde.example", headers=resent)).log == ("DELETED",)
