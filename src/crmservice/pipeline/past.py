"""A message as it was decided before: what replay holds today's rules against (SPEC 13.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from crmservice.crm.records import CreateActivity, CreateTask
from crmservice.mail.text import fold
from crmservice.pipeline.gateway import CrmGateway, Outcome, Waiting
from crmservice.pipeline.rule import Decision
from crmservice.words import Words

Filed = tuple[int | None, str, int | None, int | None, str | None, str | None, str]
"""What is compared of an activity: responsible, direction, contract, order, task (number), type, scope."""

OWN_TASK = "new"
"""Stands for the number of a task that the message itself makes: which number it gets is no matter of the rules."""


@dataclass(frozen=True, slots=True)
class Past:
    """A message as the rules decided it: log words and activities, whatever people made of them since."""

    row: Waiting
    subject: str
    log: tuple[str, ...]
    filed: tuple[Filed, ...]

    def differs(self, now: Decision) -> bool:
        """Whether a decision comes out otherwise."""
        return (now.log, sorted(map(repr, filed_by(now)))) != (self.log, sorted(map(repr, self.filed)))


def filed_by(decision: Decision) -> tuple[Filed, ...]:
    """The activities that a decision makes, as they are compared."""
    own = {fold(intent.number) for intent in decision.intents if isinstance(intent, CreateTask)}
    made = [intent for intent in decision.intents if isinstance(intent, CreateActivity)]
    return tuple(
        (a.responsible, str(a.direction), a.contract, a.order, _task(a.task, own), a.type, a.scope) for a in made
    )


def _task(number: str | None, own: Collection[str]) -> str | None:
    return OWN_TASK if number is not None and fold(number) in own else number


@dataclass(frozen=True, slots=True)
class Stayed:
    """Something of a message that stays as it is: what it is, and whose it is by now."""

    what: Words
    why: Words


class Rewriting(Protocol):
    """One round of decisions written anew, in one transaction."""

    @property
    def change(self) -> int:
        """The change that all rounds are."""

    def take_back(self, rows: Iterable[int]) -> None:
        """Take back what these messages caused, where it still stands."""

    def gateway_before(self, row: int) -> CrmGateway:
        """To decide as of then: the CRM as it was before this message arrived."""

    def replace(self, outcome: Outcome) -> Sequence[Stayed]:
        """Write a decision in the place of the one before; what stays as it is comes back."""


class History(Protocol):
    """What replay needs of the store."""

    def past(self, boxes: Collection[str], since: date | None) -> Iterator[Past]:
        """Decided messages of these boxes in order of arrival, but for those that a person decided."""

    def gateway_before(self, row: int) -> CrmGateway:
        """To decide as of then: the CRM as it was before this message arrived. It writes nothing."""

    def rewriting(self) -> AbstractContextManager[Rewriting]:
        """The next round of a rewriting; all rounds of this history are one change."""
