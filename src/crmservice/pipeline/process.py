"""process: read, look up once, decide each, apply once. A batch equals its messages one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from crmservice.config import Box
from crmservice.crm.directory import Directory, added_recipient
from crmservice.crm.records import CreateActivity, User
from crmservice.mail.keywords import DEFAULT, Keywords
from crmservice.pipeline.after_all import after_all
from crmservice.pipeline.decide import decide
from crmservice.pipeline.gateway import CrmGateway, Outcome, StaleDirectory, Waiting
from crmservice.pipeline.read import read
from crmservice.pipeline.rule import Case, Decision, Reading, Rule, Verdict
from crmservice.pipeline.verified import sender_verified
from crmservice.pipeline.wanted import wanted

_TRIES = 5

Limit = Callable[[], AbstractContextManager[None]]
"""Made for each message, and entered while the rules look at it."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The road of a message behind the inbox. ``notice_key`` is the secret of our own notices."""

    gateway: CrmGateway
    chain: Sequence[Rule]
    words: Keywords = DEFAULT
    notice_key: bytes = field(default=b"", repr=False)

    def on(self, gateway: CrmGateway) -> Pipeline:
        """The same chain on another gateway."""
        return replace(self, gateway=gateway)

    def read(self, raw: bytes, box: Box) -> Reading:
        """Read one message for a box."""
        return read(raw, box, self.words, self.notice_key)

    def process(
        self,
        box: Box,
        batch: Sequence[tuple[Waiting, Reading]],
        before: Callable[[Outcome], Outcome] | None = None,
        limit: Limit = nullcontext,
    ) -> list[Outcome]:
        """Decide a batch and write it down in one transaction; returns the outcomes in the batch's order.

        ``before`` is asked about each outcome before anything is written.
        Raises StaleDirectory when other writers came between five times in a row, and whatever the
        gateway raises: then nothing of the batch is written.
        """
        for attempt in range(_TRIES):
            outcomes = self.decide(box, batch, limit)
            outcomes = [before(outcome) for outcome in outcomes] if before else outcomes
            try:
                self.gateway.apply(outcomes)
            except StaleDirectory:
                if attempt == _TRIES - 1:
                    raise
            else:
                break
        return outcomes

    def decide(self, box: Box, batch: Sequence[tuple[Waiting, Reading]], limit: Limit = nullcontext) -> list[Outcome]:
        """Decide a batch without writing anything."""
        directory = self._directory(box, batch)
        outcomes = []
        for row, reading in batch:
            with limit():
                decision = decide(self._case(box, row, reading, directory), self.chain)
            outcomes.append(Outcome(row, box, decision))
            directory = following(directory, row.id, decision)
        return outcomes

    def decide_alone(
        self, box: Box, row: Waiting, reading: Reading, *, never: Sequence[int] = (), start: str | None = None
    ) -> tuple[Case, Decision]:
        """Decide one message, beside the case it was decided on: ``explain`` and "why?" are this.

        ``never``: rows of the inbox that don't count as earlier messages, beside its own.
        """
        directory = self._directory(box, [(row, reading)], never)
        case = self._case(box, row, reading, directory)
        return case, decide(case, self.chain, start)

    def decide_after_all(
        self, box: Box, row: Waiting, reading: Reading, responsible: User | None = None
    ) -> Decision | None:
        """Decide a mail that the rules left out, because a person asks for it (``pipeline.after_all``)."""
        directory = self._directory(box, [(row, reading)])
        return after_all(self._case(box, row, reading, directory), self.chain, responsible)

    def _directory(self, box: Box, batch: Sequence[tuple[Waiting, Reading]], never: Sequence[int] = ()) -> Directory:
        rows = [*(row.id for row, _ in batch), *never]
        return self.gateway.directory_for(wanted([reading for _, reading in batch], box), rows)

    def _case(self, box: Box, row: Waiting, reading: Reading, directory: Directory) -> Case:
        return Case(
            reading=reading,
            box=box,
            directory=directory,
            arrived=row.arrived,
            sender_verified=sender_verified(reading, box, row.source),
            words=self.words,
        )


def following(directory: Directory, row: int, decision: Decision) -> Directory:
    """The directory that the next message of the batch sees."""
    if decision.verdict is Verdict.SET_ASIDE:
        return directory
    if decision.first is not None:
        users = frozenset(i.responsible for i in decision.intents if isinstance(i, CreateActivity))
        directory = added_recipient(directory, decision.identity.key, decision.first, users)
        return directory.folded(decision.identity, decision.message, decision.intents)
    return directory.after(row, decision.identity, decision.message, decision.intents)
