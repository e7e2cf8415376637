"""Process after all: a person has a mail filed that the rules left out (SPEC chapter 4, below the table)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from crmservice.crm.records import CreateActivity, Direction, User
from crmservice.pipeline.decide import decide
from crmservice.pipeline.filing import file
from crmservice.pipeline.people import counterparty
from crmservice.pipeline.rule import Answer, Case, Decision, Rule, stop, verdict_of

START = "opt_out"
"""Rule 7: those before it leave mail out."""

WORD = "AFTER ALL"
"""The log word of a mail that a person had processed."""


def after_all(case: Case, chain: Sequence[Rule], responsible: User | None = None) -> Decision | None:
    """The decision from rule 7 on; None where the rules find nobody responsible and nobody is named.

    ``responsible`` gets the activity in the place of those whom the rules would find. A mail beyond the limits of
    what is read is filed as far as it was read: a person asks for it.
    """
    decision = decide(case, chain if responsible is None else _for(responsible, chain), START)
    if not any(isinstance(intent, CreateActivity) for intent in decision.intents):
        return None
    log = (WORD, *decision.log)
    return replace(decision, log=log, verdict=verdict_of(log))


def _for(user: User, chain: Sequence[Rule]) -> tuple[Rule, ...]:
    """The chain up to the direction, and then the user who was named."""

    def named(case: Case) -> Answer:
        way = Direction.OUTGOING if _is_outgoing(case) else Direction.INCOMING
        intents = file(case, way, (user,), _others(case, way))
        return stop("PROCESSED", because="named", intents=intents, responsible=[user.login])

    before = takewhile(lambda rule: rule.name != "incoming", chain)
    return (*before, Rule("after_all", "", named))


def _is_outgoing(case: Case) -> bool:
    """A stranger's reply to all with the box in copy is none (``safe`` reroutes it; here a person has looked)."""
    sender = case.sender.email if case.sender else ""
    return case.found.direction is Direction.OUTGOING and (case.ours(sender) or case.user(sender) is not None)


def _others(case: Case, way: Direction) -> tuple[str, ...]:
    if way is Direction.INCOMING:
        return counterparty(case)
    return tuple(address for address in case.message.recipients if not case.is_box(address))
