"""decide: ask the rules in their order, keep what they answer, write the trail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crmservice.crm.records import CreateTask, Intent, UpdateTask
from crmservice.pipeline.rule import Case, Decision, Findings, Rule, Step, verdict_of

NOT_AGAIN = frozenset({"opt_out", "new_task"})
"""Rules that a duplicate's new users don't need: their effects stand since the first copy."""


def decide(case: Case, chain: Sequence[Rule], start: str | None = None) -> Decision:
    """Ask the rules of ``chain`` about the case, from the rule named ``start`` on (SPEC: "process after all").

    A mail beyond the limits is set aside unasked (but where a person has it processed after all); one that an employee
    forwarded by hand is decided as the mail inside (SPEC chapter 4). Raises nothing of its own: the chain's last rule
    always stops.
    """
    if case.message.limits and start is None:
        return _set_aside(case)
    if (inner := _forwarded_by_hand(case)) is not None:
        return _unwrapped(decide(inner, chain, start), case)
    return _asked(case, chain, start)


def _asked(case: Case, chain: Sequence[Rule], skip_to: str | None) -> Decision:
    trail: list[Step] = []
    log: list[str] = []
    intents: list[Intent] = []
    first: int | None = None
    for rule in chain:
        if skip_to is not None and rule.name != skip_to:
            continue
        skip_to = None
        if case.only_for is not None and rule.name in NOT_AGAIN:
            continue
        answer = rule.ask(case)
        trail.append(Step(rule.name, rule.chapter, answer.kind != "not-mine", answer.code, answer.evidence))
        log.extend(answer.log)
        intents.extend(answer.intents)
        first = answer.first if answer.first is not None else first
        if answer.found is not None:
            case = replace(case, found=answer.found)
        if answer.kind == "only-for":
            case = replace(case, only_for=answer.users)
        if answer.kind == "stop":
            break
    if case.only_for is not None:
        log, intents = _repeated(log, intents)
    return Decision(
        message=case.message,
        identity=case.reading.identity,
        log=tuple(log),
        verdict=verdict_of(tuple(log)),
        intents=tuple(intents),
        trail=tuple(trail),
        found=case.found,
        sender_verified=case.sender_verified,
        first=first,
    )


def _repeated(log: list[str], intents: list[Intent]) -> tuple[list[str], list[Intent]]:
    """What a duplicate comes to: its new users' own activities and invitations, and no task a second time."""
    word = "RECIPIENT ADDED" if "RECIPIENT ADDED" in log else "DELETED"
    return ["DUPLICATE KEY", word], [i for i in intents if not isinstance(i, CreateTask | UpdateTask)]


def _set_aside(case: Case) -> Decision:
    step = Step("set_aside", "", True, "limit-exceeded", {"limits": list(case.message.limits)})
    log = ("SET ASIDE",)
    return Decision(case.message, case.reading.identity, log, verdict_of(log), trail=(step,))


def _forwarded_by_hand(case: Case) -> Case | None:
    """The case of the mail inside, when a user whom we may believe forwarded it to the box alone."""
    inner = case.reading.inner
    if inner is None or case.sender is None or not case.may_command:
        return None
    forwarder = case.user(case.sender.email)
    if forwarder is None:
        return None
    return replace(case, reading=inner, forwarder=forwarder, sender_verified=False, found=Findings())


def _unwrapped(decision: Decision, outer: Case) -> Decision:
    sender = outer.sender.email if outer.sender else ""
    step = Step("hand_forwarded", "", True, "mail-inside", {"forwarder": sender})
    log = ("UNWRAPPED", *decision.log)
    return replace(decision, log=log, verdict=verdict_of(log), trail=(step, *decision.trail))
