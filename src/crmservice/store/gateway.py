"""StoreGateway: the pipeline's two doors over our tables, in bulk (HOUSE.md, points 1, 3 and 4)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError

from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.ids import new_id
from crmservice.crm.records import CreateActivity, CreateTask, Intent, UpdateTask
from crmservice.errors import CrmServiceError
from crmservice.mail.text import fold
from crmservice.pipeline.gateway import Outcome, StaleDirectory
from crmservice.pipeline.rule import Verdict
from crmservice.store import bulk, lookup, models, reference
from crmservice.store.database import available, refresh, writing
from crmservice.store.inbox import Lease
from crmservice.store.writes import Writes


class AlreadyDecided(CrmServiceError):
    """This message has its verdict already: somebody else decided it meanwhile."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the last look-up of a thread was for: the batch, and the earlier messages that it held."""

    rows: frozenset[int] = frozenset()
    seen: frozenset[int] = frozenset()


class StoreGateway:
    """A CrmGateway over the tables. One may serve several threads; each asks, decides and applies in turn.

    ``lease``: checked inside the transaction of ``apply``.
    """

    def __init__(self, lease: Lease | None = None) -> None:
        self._lease = lease
        self._reference = reference.Cache()
        self._thread = threading.local()

    def directory_for(self, wanted: Wanted, rows: Sequence[int]) -> Directory:
        """Look up what the batch needs: a handful of queries, whatever its size (HOUSE.md, habit 2).

        Raises DatabaseUnavailable.
        """
        refresh()
        with available():
            directory = lookup.directory(wanted, rows, self._reference.get())
        seen = frozenset(row.message for found in directory.seen.values() for row in found)
        self._thread.asked = _Asked(frozenset(rows), seen)
        return directory

    def apply(self, outcomes: Sequence[Outcome]) -> None:
        """Write a batch in one transaction: rows, keys, effects, verdicts and trails.

        Raises StaleDirectory when another batch came between the look-up and this, AlreadyDecided,
        LeaseLost or DatabaseUnavailable: nothing is written then.
        """
        try:
            with writing(serialised=True):
                self._apply(outcomes)
        except IntegrityError as error:
            # A record that the batch refers to went meanwhile, or its number was taken: look again.
            raise StaleDirectory from error

    def _apply(self, outcomes: Sequence[Outcome]) -> None:
        if self._lease is not None:
            self._lease.check()
        _check_waiting(outcomes)
        self._check_seen(outcomes)
        intents = [intent for outcome in outcomes for intent in outcome.decision.intents]
        _check_numbers(intents)
        writes = Writes(self.type_ids(intents), task_ids(intents))
        for outcome in outcomes:
            writes.take(outcome)
        writes.write()

    def _check_seen(self, outcomes: Sequence[Outcome]) -> None:
        """An earlier message with one of these keys that the look-up did not hold: rule 1 must see it."""
        asked: _Asked = getattr(self._thread, "asked", _Asked())
        rows = {outcome.row.id for outcome in outcomes}
        if not rows <= asked.rows:
            raise StaleDirectory
        keys = {o.decision.identity.key for o in outcomes if o.decision.verdict is not Verdict.SET_ASIDE}
        found = {key for (key,) in bulk.query_in("SELECT id FROM crm_message WHERE key IN {in}", keys)}
        if found - asked.seen - asked.rows:
            raise StaleDirectory

    def type_ids(self, intents: Sequence[Intent]) -> dict[str, int]:
        """Ids of the activity types; one that is missing (a fresh store has no "E-mail") is made."""
        wished = {intent.type for intent in intents if isinstance(intent, CreateActivity)}
        ids = dict(self._reference.get().type_ids) if wished else {}
        missing = [(new_id(), name, fold(name)) for name in sorted(wished - ids.keys())]
        if missing:
            bulk.insert(models.ActivityType, "id", "name", "folded").run(missing)
            reference.touch()
        return ids | {name: key for key, name, _ in missing}


def _check_waiting(outcomes: Sequence[Outcome]) -> None:
    sql = "SELECT id FROM crm_message WHERE verdict <> '' AND id IN {in}"
    if bulk.query_in(sql, [outcome.row.id for outcome in outcomes]):
        raise AlreadyDecided


def _check_numbers(intents: Sequence[Intent]) -> None:
    """A new task's number or problem id that somebody took meanwhile (two boxes at once)."""
    tasks = [intent for intent in intents if isinstance(intent, CreateTask)]
    numbers = [fold(task.number) for task in tasks]
    problems = [task.problem_id for task in tasks if task.problem_id]
    taken = bulk.query_in("SELECT id FROM crm_task WHERE folded IN {in}", numbers)
    taken += bulk.query_in("SELECT id FROM crm_task WHERE problem_id IN {in}", problems)
    if taken:
        raise StaleDirectory


def task_ids(intents: Sequence[Intent]) -> dict[str, int]:
    """Ids of the tasks, by folded number, that stand already and that the batch refers to."""
    made = {fold(intent.number) for intent in intents if isinstance(intent, CreateTask)}
    named = {intent.task for intent in intents if isinstance(intent, CreateActivity) and intent.task is not None}
    named |= {intent.number for intent in intents if isinstance(intent, UpdateTask)}
    wished = {fold(number) for number in named} - made
    ids = dict(bulk.query_in("SELECT folded, id FROM crm_task WHERE folded IN {in} ORDER BY id DESC", wished))
    if wished - ids.keys():
        raise StaleDirectory("the task {number} is gone: decide this batch again", number=min(wished - ids.keys()))
    return ids
