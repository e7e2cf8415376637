"""Rule 6 (manual 15.8, 15.7): subjects the administrator leaves out."""

from __future__ import annotations

import pytest

from crmservice.testing.builders import decided, eml

IGNORED = ("IGNORED SUBJECT", "DELETED")
VALUES = ("Service out of service", "výpadek")


@pytest.mark.parametrize(
    "subject",
    [
        "Service out of service",
        "[alert] SERVICE OUT OF  service!",
        "Vypadek serveru",
        "Hlášen VÝPADEK",
        "plánovaný Výpadek",
    ],
)
def test_a_subject_that_contains_a_value_is_left_out(subject: str) -> None:
    decision = decided(eml(subject=subject), ignore_subjects=VALUES)
    assert decision.log == IGNORED
    assert decision.intents == ()


@pytest.mark.parametrize("prefix", ["Re:", "RE:", "re: ", "Fwd:", "FWD:", "FW:", "fw: "])
def test_replies_and_forwards_are_sent_on(prefix: str) -> None:
    assert decided(eml(subject=f"{prefix} výpadek"), ignore_subjects=VALUES).log == ("PROCESSED",)


@pytest.mark.parametrize("subject", ["Service is back", "vypadá to", "Repríza: výpade"])
def test_other_subjects_are_filed(subject: str) -> None:
    assert decided(eml(subject=subject), ignore_subjects=VALUES).log == ("PROCESSED",)


def test_a_word_that_only_begins_like_a_prefix_is_none() -> None:
    assert decided(eml(subject="Report: výpadek"), ignore_subjects=VALUES).log == IGNORED


def test_without_values_nothing_is_left_out() -> None:
    assert decided(eml(subject="výpadek")).log == ("PROCESSED",)


def test_the_effects_of_later_rules_do_not_come_about() -> None:
    assert decided(eml(subject="nechci"), ignore_subjects=("nechci",)).intents == ()
