"""The engine: the order of the chain, the trail, "process after all", mail beyond the limits."""

from __future__ import annotations

import json

import pytest

from crmservice.pipeline.explained import as_json
from crmservice.pipeline.rule import Verdict, verdict_of
from crmservice.rules import CHAIN
from crmservice.testing.builders import Office, decided, eml, report

SPEC_ORDER = [
    "own_notice", "duplicate", "problem", "invalid_addresses", "system_sender", "notify_others", "ignored_subject",
    "never_filed", "internal_mail", "bulk", "own_rule", "opt_out", "bounce", "new_task", "invitation", "assignment",
    "own_rule", "direction", "incoming", "outgoing", "unfiled",
]  # fmt: skip


def test_the_chain_is_in_the_order_of_the_definition() -> None:
    assert [rule.name for rule in CHAIN] == SPEC_ORDER


def test_every_rule_asked_leaves_its_step() -> None:
    decision = decided(eml())
    steps = [step.rule for step in decision.trail]
    assert steps == [rule.name for rule in CHAIN][: len(steps)]
    assert (steps[-1], decision.trail[-1].matched) == ("incoming", True)
    assert all(step.code for step in decision.trail)


@pytest.mark.parametrize(
    "raw",
    [eml(), eml(sender=""), report("bob@beta.example"), eml(subject="New task: zak:123 p1"), eml(subject="nechci")],
)
def test_a_trail_is_small_plain_json(raw: bytes) -> None:
    for step in decided(raw).trail:
        assert len(json.dumps(as_json(step))) < 2_000


def test_processing_after_all_begins_at_the_opt_out() -> None:
    office = Office(ignore_subjects=("výpadek",))
    raw = eml(subject="výpadek", message_id="a@x")
    assert office.receive(raw).log == ("IGNORED SUBJECT", "DELETED")
    decision = office.again(raw, start="opt_out")
    assert decision.log == ("PROCESSED",)
    assert decision.trail[0].rule == "opt_out"


@pytest.mark.parametrize(
    ("log", "verdict"),
    [
        (("PROCESSED",), Verdict.PROCESSED), (("REROUTED", "PROCESSED"), Verdict.PROCESSED),
        (("UNWRAPPED", "PROCESSED"), Verdict.PROCESSED), (("NEW TASK CREATED", "PROCESSED"), Verdict.PROCESSED),
        (("Task application", "NEW TASK CREATED", "DELETED"), Verdict.PROCESSED),
        (("Task application", "TASK 7 UPDATED", "DELETED"), Verdict.PROCESSED),
        (("DUPLICATE KEY", "DELETED"), Verdict.DUPLICATE), (("DUPLICATE KEY", "RECIPIENT ADDED"), Verdict.DUPLICATE),
        (("UNWRAPPED", "DUPLICATE KEY", "DELETED"), Verdict.DUPLICATE), (("SET ASIDE",), Verdict.SET_ASIDE),
        (("DELETED",), Verdict.SKIPPED), (("SPAM", "DELETED"), Verdict.SKIPPED), (("REROUTED", "DELETED"), Verdict.SKIPPED),
        (("UNKNOWN USER", "PROCESSED"), Verdict.PROCESSED), (("INVALID TASK", "DELETED"), Verdict.SKIPPED),
    ],
)  # fmt: skip
def test_the_ledgers_class_follows_from_the_words(log: tuple[str, ...], verdict: Verdict) -> None:
    assert verdict_of(log) is verdict


def test_mail_beyond_the_limits_is_set_aside_unasked() -> None:
    raw = b"X: y\r\n" * 60_000 + eml()
    decision = decided(raw)
    assert (decision.log, decision.verdict) == (("SET ASIDE",), Verdict.SET_ASIDE)
    assert [step.code for step in decision.trail] == ["limit-exceeded"]


@pytest.mark.parametrize("raw", [b"", b"\0", b"\xff" * 100, b"From: a@b.cz", b"\r\n\r\n", b"From:\r\n\r\nx"])
def test_whatever_arrives_gets_its_verdict(raw: bytes) -> None:
    assert decided(raw).log[-1] in ("DELETED", "SET ASIDE")
