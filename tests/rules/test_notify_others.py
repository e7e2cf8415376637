"""Rule 5 (manual 15.5): the CRM's automatic mail among colleagues."""

from __future__ import annotations

import pytest

from crmservice.testing.builders import decided, eml

INFORM = ("Inform other users...", "DELETED")
NOTIFY = ("Notify other users...", "DELETED")
FILED = ("PROCESSED",)
EN = "Hello.\nThis is an automatically generated e-mail, do not answer."
CS = "Toto je automaticky generovaný e-mail."


@pytest.mark.parametrize(
    ("subject", "text", "log"),
    [
        ("Info about contract 123", EN, INFORM),
        ("INFO ABOUT contract", "THIS IS AN  automatically\ngenerated E-MAIL", INFORM),
        ("Info o zakázce 123", CS, INFORM),
        ("info o zakazce", "toto je automaticky generovany e-mail", INFORM),
        ("Info o zakázce", EN, INFORM),
        ("Info about details", EN, INFORM),
        ("Contract details", EN, NOTIFY),
        ("Details", CS, NOTIFY),
        ("Contract: DETAILS (1)", EN, NOTIFY),
        ("Info about contract", "Napsal člověk.", FILED),
        ("Details of our order", "A person wrote this.", FILED),
        ("Moje Info about", EN, FILED),
        ("Info obchod", CS, FILED),
        ("Detail", EN, FILED),
    ],
)
def test_subject_and_sentence_together_say_so(subject: str, text: str, log: tuple[str, ...]) -> None:
    assert decided(eml(text, sender="app@firma.cz", subject=subject)).log == log


def test_the_sentence_may_stand_in_html_alone() -> None:
    raw = eml("jiný text", sender="app@firma.cz", subject="Details", html="<p>x</p>")
    html_only = raw.replace(b"text/plain", b"text/x-other").replace(b"<p>x</p>", f"<p>{EN}</p>".encode())
    assert decided(html_only).log == NOTIFY


def test_the_manual_mode_takes_anybodys_mail_and_replies() -> None:
    assert decided(eml(EN, subject="Re: Order details")).log == NOTIFY


@pytest.mark.parametrize("subject", ["Info about contract", "Order details"])
def test_in_safe_mode_the_sender_must_be_of_our_domains(subject: str) -> None:
    assert decided(eml(EN, subject=subject), rules="safe").log == FILED
    assert decided(eml(EN, subject=subject, sender="app@firma.cz"), rules="safe").log in (INFORM, NOTIFY)


@pytest.mark.parametrize("prefix", ["Re:", "RE:", "Fwd:", "FW:", "Odp:", "Př:"])
def test_in_safe_mode_replies_and_forwards_are_mail(prefix: str) -> None:
    raw = eml(EN, subject=f"{prefix} Order details", sender="sef@firma.cz")
    assert decided(raw, rules="safe").log == FILED
