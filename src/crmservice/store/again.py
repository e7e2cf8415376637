"""A message decided once more: the decision takes the place of the one before, as part of a change.

What others changed since stays as it is: it is not taken back, and the new decision does not do it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crmservice.crm.records import (
    CreateActivity,
    CreateTask,
    Intent,
    MarkAddress,
    PutInvitation,
    Suggest,
)
from crmservice.errors import CrmServiceError
from crmservice.mail.text import fold
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.rule import Decision, Verdict
from crmservice.store import bulk, lookup, noted, verdicts
from crmservice.store.changes import Effects
from crmservice.store.database import refresh
from crmservice.store.gateway import StoreGateway, task_ids
from crmservice.store.noted import Noted
from crmservice.store.taking import Left, Taking
from crmservice.store.threads import is_filed_later
from crmservice.store.trails import read_log
from crmservice.store.undo import By, changing
from crmservice.store.writes import Writes

Later = Callable[[str, str], bool]
"""Whether later messages changed this row of this table."""


@dataclass(slots=True)
class Gone:
    """What was taken back of a message before it is decided again, and what was left."""

    taken: list[Noted] = field(default_factory=list)
    left: list[tuple[Noted, Left]] = field(default_factory=list)

    def made(self, table: str) -> list[Noted]:
        """Rows of a table that are gone now."""
        return [effect for effect in self.taken if effect.table == table and effect.before is None]

    def kept(self, table: str) -> list[Noted]:
        """Rows of a table that were made and stay."""
        return [effect for effect, _ in self.left if effect.table == table and effect.before is None]


@dataclass(slots=True)
class _Careful(Effects):
    """Effects of a message that others came after: rows that they changed stay as they are."""

    places: frozenset[tuple[str, str]] = frozenset()
    later: Later = field(default=lambda _table, _row: False)

    def stays(self, message: int, table: str, row: int | str) -> bool:
        """Whether this row is not this message's to change any more."""
        place = (table, str(row))
        if table == "threadfiling":
            return place in self.places or is_filed_later(int(row), message)
        return place in self.places or self.later(*place)


def take_back(taking: Taking, messages: Iterable[int]) -> dict[int, Gone]:
    """Take back what these messages caused, the newest first."""
    newest = sorted(messages, reverse=True)
    effects = [effect for message in newest for effect in noted.of_message(message)]
    taking.expect(effects)
    gone = {message: Gone() for message in newest}
    for effect in effects:
        done = taking.take(effect)
        if isinstance(done, Left):
            gone[effect.message].left.append((effect, done))
        else:
            gone[effect.message].taken.append(effect)
    for message in newest:
        taking.list_nothing(message)
    return gone


def replace_decision(
    taking: Taking, gateway: StoreGateway, outcome: Outcome, gone: Gone | None = None, later: Later | None = None
) -> None:
    """Write a decision in the place of the one before: rows, effects, verdict and trail.

    ``gone``: what was taken back before; ``later``: whether later messages changed a row.
    Raises StaleDirectory where something that it refers to is gone.
    """
    message, gone = outcome.row.id, gone or Gone()
    taking.number(message)
    before = verdicts.read(message)
    outcome = replace(outcome, decision=_fitting(outcome.decision, message, gone), stored=before["stored_sha256"])
    intents = outcome.decision.intents
    effects = _Careful(taking.change, taking.effects.first)
    effects.places = frozenset(effect.place for effect, _ in gone.left)
    effects.later = later or effects.later
    writes = Writes(gateway.type_ids(intents), task_ids(intents), effects, _keys(gone))
    writes.take(outcome)
    writes.write()
    taking.effects.count += effects.count
    if writes.attachments:
        taking.note(message, "attachments", str(message), None, len(writes.attachments), counts=True)
    now = verdicts.read(message)
    changed = {name for name in now if now[name] != before[name]} | set(verdicts.SAID)
    said = {name: before[name] for name in changed}, {name: now[name] for name in changed}
    taking.note(message, "message", str(message), *said, counts=False)


def _keys(gone: Gone) -> dict[tuple[str, Any], int]:
    """The keys of rows that may come back: an activity by its user, the message's own task."""
    activities = [(("activity", effect.after[0]), int(effect.row)) for effect in gone.made("activity")]
    return dict([*activities, *((("task", None), int(effect.row)) for effect in gone.made("task"))])


def _fitting(decision: Decision, message: int, gone: Gone) -> Decision:
    """The decision without what is there already, its own new task with a number that is free."""
    numbers, intents = _numbers(decision.intents, gone), decision.intents
    kept = tuple(_numbered(intent, numbers) for intent in intents if not _is_there(intent, message, gone))
    steps = tuple(
        replace(
            step, evidence={**step.evidence, "task": numbers.get(str(step.evidence["task"]), step.evidence["task"])}
        )
        if "task" in step.evidence
        else step
        for step in decision.trail
    )
    return replace(decision, intents=kept, trail=steps)


def _numbers(intents: Collection[Intent], gone: Gone) -> dict[str, str]:
    """The numbers of new tasks that must be others: the one of the task that stays, else the next that is free."""
    own = [task.after[0] for task in gone.kept("task")]
    wished = [intent.number for intent in intents if isinstance(intent, CreateTask)]
    if own:
        return dict.fromkeys(wished, own[0])
    taken = {
        folded for (folded,) in bulk.query_in("SELECT folded FROM crm_task WHERE folded IN {in}", map(fold, wished))
    }
    last = lookup.last_task_number()
    clashing = [number for number in wished if fold(number) in taken]
    return {number: str(last + n) for n, number in enumerate(clashing, 1)}


def _numbered(intent: Intent, numbers: Mapping[str, str]) -> Intent:
    if isinstance(intent, CreateTask) and intent.number in numbers:
        return replace(intent, number=numbers[intent.number])
    if isinstance(intent, CreateActivity) and intent.task is not None:
        return replace(intent, task=numbers.get(intent.task, intent.task))
    return intent


def _is_there(intent: Intent, message: int, gone: Gone) -> bool:
    """Whether what an intent would make was left, or is there in another way."""
    match intent:
        case CreateActivity():
            return intent.responsible in [made.after[0] for made in gone.kept("activity")]
        case CreateTask():
            return bool(gone.kept("task")) or _has_problem(intent.problem_id)
        case MarkAddress():
            return [intent.address, intent.mark] in [made.after[:2] for made in gone.kept("forbiddenemail")]
        case PutInvitation():
            place = [intent.user, lookup.short(intent.event.uid), intent.event.occurrence]
            return place in [made.after[:3] for made in gone.kept("invitation")]
        case Suggest():
            return _suggested(message, intent)
        case _:
            return False


def _has_problem(problem_id: str) -> bool:
    return bool(problem_id and bulk.query("SELECT 1 FROM crm_task WHERE problem_id = %s", [problem_id]))


def _suggested(message: int, intent: Suggest) -> bool:
    sql = "SELECT 1 FROM crm_suggestion WHERE message_id = %s AND kind = %s AND target = %s"
    return bool(bulk.query(sql, [message, intent.kind, intent.target]))


class NotLeftOut(CrmServiceError):
    """This message can't be processed after all."""


def left_out(message: int) -> Waiting:
    """The row of a message that the rules skipped or that was set aside. Raises NotLeftOut with the reason."""
    refresh()
    sql = "SELECT box, path, sha256, stored_sha256, arrived, verdict, log, first_id, source FROM crm_message WHERE id = %s"
    rows = bulk.query(sql, [message])
    if not rows:
        raise NotLeftOut("there is no message {id}", id=message)
    box, path, sha256, stored, arrived, verdict, log, first, source = rows[0]
    if verdict == "":
        raise NotLeftOut("message {id} waits still: crmservice run decides it", id=message)
    if verdict == Verdict.DUPLICATE:
        raise NotLeftOut("message {id} repeats message {first}, which was decided", id=message, first=first)
    if verdict == Verdict.PROCESSED:
        raise NotLeftOut("message {id} was processed", id=message)
    if "OWN NOTICE" in read_log(log):
        raise NotLeftOut("message {id} is a notice of this service", id=message)
    if stored or not path:
        raise NotLeftOut("message {id} is not kept whole here", id=message)
    return Waiting(message, box, path, sha256, bulk.moment(arrived), source=source)


def process_after_all(outcome: Outcome, by: By) -> int:
    """Write what a person had decided on a message that was left out; returns the change, which undo takes back.

    Raises NotLeftOut where somebody was faster, Crossed, or DatabaseUnavailable.
    """
    with changing("after-all", by) as taking:
        left_out(outcome.row.id)
        replace_decision(taking, StoreGateway(), outcome)
        return taking.change
