"""A CRM in memory that passes the store's contract: for ``explain --records`` and for tests. Needs no Django."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.from_tables import directory_from
from crmservice.crm.records import CreateActivity, CreateTask
from crmservice.mail.text import fold
from crmservice.pipeline.gateway import Outcome, StaleDirectory
from crmservice.pipeline.process import following
from crmservice.pipeline.rule import Verdict


class MemoryGateway:
    """A CrmGateway over one Directory; ``outcomes`` and ``activities`` are what was applied, in order."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.outcomes: list[Outcome] = []
        self.activities: list[tuple[int, CreateActivity]] = []
        self._lock = threading.Lock()
        self._thread = threading.local()

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> MemoryGateway:
        """The CRM of a file's records. Raises BadTables."""
        return cls(directory_from(tables))

    def directory_for(self, wanted: Wanted, rows: Sequence[int]) -> Directory:  # noqa: ARG002 (all is at hand)
        """Everything there is, but for the batch's own rows among the earlier messages."""
        own = frozenset(rows)
        seen = {
            key: tuple(row for row in found if row.message not in own) for key, found in self.directory.seen.items()
        }
        self._thread.asked = (own, _messages(self.directory))
        return replace(self.directory, seen={key: found for key, found in seen.items() if found})

    def apply(self, outcomes: Sequence[Outcome]) -> None:
        """Fold the decisions into the directory. Raises StaleDirectory as the store does."""
        with self._lock:
            self._check(outcomes)
            for outcome in outcomes:
                self.directory = following(self.directory, outcome.row.id, outcome.decision)
                self.outcomes.append(outcome)
                made = (i for i in outcome.decision.intents if isinstance(i, CreateActivity))
                self.activities += [(outcome.row.id, activity) for activity in made]

    def _check(self, outcomes: Sequence[Outcome]) -> None:
        rows, seen = getattr(self._thread, "asked", (frozenset[int](), frozenset[int]()))
        keys = {o.decision.identity.key for o in outcomes if o.decision.verdict is not Verdict.SET_ASIDE}
        now = {row.message for key in keys for row in self.directory.seen.get(key, ())}
        intents = [intent for outcome in outcomes for intent in outcome.decision.intents]
        tasks = [intent for intent in intents if isinstance(intent, CreateTask)]
        taken = any(fold(task.number) in self.directory.tasks for task in tasks)
        taken = taken or any(task.problem_id in self.directory.problems for task in tasks)
        if taken or now - seen - rows or not {outcome.row.id for outcome in outcomes} <= rows:
            raise StaleDirectory


def _messages(directory: Directory) -> frozenset[int]:
    return frozenset(row.message for found in directory.seen.values() for row in found)
