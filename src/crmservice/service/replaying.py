"""Replay: today's rules over the backups, what would differ, and (with apply) only that (SPEC 13.3).

Each message is decided as of its own arrival: later messages, and the tasks that later messages made, are
not there yet. A message that had no effects at all can be applied at once; one whose effects stand would
first have to be undone, and is named instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from crmservice.config import Box
from crmservice.crm.records import CreateActivity
from crmservice.pipeline.gateway import CrmGateway, Outcome
from crmservice.pipeline.past import Filed, History, Past
from crmservice.pipeline.process import Pipeline
from crmservice.pipeline.rule import Decision


class Backup(Protocol):
    """Where raw mail is read from."""

    def read(self, path: str) -> bytes:
        """The bytes of a kept mail."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that today's rules decide otherwise. ``applied`` is False where nothing was written."""

    past: Past
    now: Decision
    filed: tuple[Filed, ...]
    applied: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain JSON for ``replay --json``."""
        return {
            "id": str(self.past.row.id),
            "backup": self.past.row.path,
            "subject": self.past.subject,
            "was": {"log": list(self.past.log), "activities": len(self.past.filed)},
            "now": {"log": list(self.now.log), "activities": len(self.filed)},
            "applied": self.applied,
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """Holds today's rules against what was decided."""

    history: History
    backup: Backup
    pipeline: Pipeline

    def differences(self, box: Box, since: date | None, *, apply: bool = False) -> Iterator[Difference]:
        """Every message of the box that would come out otherwise, in order of arrival."""
        for past in self.history.past(box.name, since):
            try:
                raw = self.backup.read(past.row.path)
            except OSError:  # the ledger names it: replay has nothing to hold the rules against
                continue
            decision = self._decide(box, past, raw, self.history.gateway_before(past.row.id))
            filed = filed_by(decision)
            if (decision.log, sorted(map(repr, filed))) == (past.log, sorted(map(repr, past.filed))):
                continue
            applied = apply and not past.touched and self._apply(box, past, raw)
            yield Difference(past, decision, filed, applied)

    def _decide(self, box: Box, past: Past, raw: bytes, gateway: CrmGateway) -> Decision:
        pipeline = self.pipeline.on(gateway)
        return pipeline.decide_alone(box, past.row, pipeline.read(raw, box))[1]

    def _apply(self, box: Box, past: Past, raw: bytes) -> bool:
        """Written into the CRM of today: a task's number may be taken by now."""
        gateway = self.history.gateway_to_add(past.row.id)
        gateway.apply([Outcome(past.row, box, self._decide(box, past, raw, gateway))])
        return True


def filed_by(decision: Decision) -> tuple[Filed, ...]:
    """The activities that a decision makes, as they are compared."""
    made: Sequence[CreateActivity] = [i for i in decision.intents if isinstance(i, CreateActivity)]
    return tuple((a.responsible, str(a.direction), a.contract, a.order, a.task, a.type, a.scope) for a in made)
