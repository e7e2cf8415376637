"""What a batch writes: each intent adds its rows here, then they are written table by table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from crmservice.crm.directory import people_of
from crmservice.crm.ids import new_id
from crmservice.crm.records import (
    NO_SCOPE,
    CanaryReturned,
    CreateActivity,
    CreateTask,
    Direction,
    JoinThread,
    MarkAddress,
    Suggest,
    TakeTurn,
    UpdateTask,
)
from crmservice.mail.text import fold
from crmservice.pipeline.gateway import Outcome
from crmservice.pipeline.rule import Verdict
from crmservice.store import bulk, canaries, erasures, invites, kinds, models, texts, threads
from crmservice.store.changes import Changes, Effects
from crmservice.store.inbox import note_set_aside
from crmservice.store.trails import log_json, trail_json

ORIGINAL = -1
"""The place of Original.eml among a message's attachments."""

_DECIDED = (
    "verdict", "log", "trail", "direction", "sender", "sender_verified", "subject", "sent", "key", "body_digest",
    "message_id_digest", "first_id", "stored_sha256",
)  # fmt: skip
_ACTIVITY = (
    "id", "kind", "subject", "body", "html", "direction", "type_id", "responsible_id", "contract_id", "order_id",
    "task_id", "thread", "scope_level", "sent", "due", "completed", "all_day", "location", "unverified", "message_id",
)  # fmt: skip
_TASK = ("id", "number", "folded", "value", "subject", "body", "status", "approver_id", "contract_id", "problem_id")
_ATTACHMENT = ("message_id", "part", "name", "content_type", "size", "sha256")


class Writes:
    """The rows of one batch. ``type_ids``: activity type -> id; ``task_ids``: folded number -> id.

    ``keys``: of rows that come back, an activity by its user, the message's task.
    """

    def __init__(
        self,
        type_ids: Mapping[str, int],
        task_ids: dict[str, int],
        effects: Effects | None = None,
        keys: Mapping[tuple[str, int | None], int] | None = None,
    ) -> None:
        self.type_ids = type_ids
        self.task_ids = task_ids
        self.effects = effects or Effects()
        self.keys = keys or {}
        self.messages: list[bulk.Row] = []
        self.activities: list[bulk.Row] = []
        self.contacts: list[bulk.Row] = []
        self.accounts: list[bulk.Row] = []
        self.attachments: list[bulk.Row] = []
        self.tasks: list[bulk.Row] = []
        self.solvers: list[bulk.Row] = []
        self.forbidden: list[tuple[int, MarkAddress]] = []
        self.suggestions: list[bulk.Row] = []
        self.threads = threads.Threads()
        self.invitations = invites.Invitations()
        self.canaries: list[tuple[datetime, str]] = []
        self.set_aside: list[Outcome] = []
        self.task_changes = Changes(models.Task, ("subject", "status", "contract_id", "body"))
        self.contact_marks = Changes(models.Contact, _MARKS, supports=True)
        self.account_marks = Changes(models.Account, _MARKS, supports=True)
        self.turns = Changes(models.SharedAddress, ("last_user_id",))

    def take(self, outcome: Outcome) -> None:
        """Add everything that an outcome changes."""
        self.messages.append(_decided(outcome))
        if outcome.decision.verdict is Verdict.SET_ASIDE:
            self.set_aside.append(outcome)
        with_activity = False
        for intent in outcome.decision.intents:
            _TAKERS[type(intent)](self, outcome, intent)
            with_activity = with_activity or isinstance(intent, CreateActivity)
        if with_activity:
            self.attachments += _attachments(outcome)

    def write(self) -> None:
        """Write the rows, in an order in which each finds what it refers to."""
        bulk.insert(models.Task, *_TASK).run(self.tasks)
        bulk.insert(models.TaskSolver, "task_id", "user_id").run(self.solvers)
        self.task_changes.write(self.effects)
        bulk.update(models.Message, *_DECIDED).run(self.messages)
        bulk.insert(models.Activity, *_ACTIVITY).run(self.activities)
        bulk.insert(models.ActivityContact, "activity_id", "contact_id").run(self.contacts)
        bulk.insert(models.ActivityAccount, "activity_id", "account_id").run(self.accounts)
        bulk.insert(models.Attachment, *_ATTACHMENT, conflict="DO NOTHING").run(self.attachments)
        self.threads.write(self.effects, self.task_ids)
        self.contact_marks.write(self.effects)
        self.account_marks.write(self.effects)
        _write_forbidden(self.forbidden, self.effects)
        self.invitations.write(self.effects)
        bulk.insert(models.Suggestion, "id", "message_id", "kind", "target", "payload", "state").run(self.suggestions)
        self.turns.write(self.effects)
        canaries.returned(self.canaries)
        _note_set_aside(self.set_aside)
        self.effects.write()

    def _activity(self, outcome: Outcome, intent: CreateActivity) -> None:
        key = self.keys.get(("activity", intent.responsible)) or new_id()
        message, row = outcome.decision.message, outcome.row.id
        task = None if intent.task is None else self.task_ids[fold(intent.task)]
        level = None if intent.scope == NO_SCOPE else int(intent.scope[1:])
        self.activities.append((
            key, "mail", message.subject, message.text, "", intent.direction.value, self.type_ids[intent.type],
            intent.responsible, intent.contract, intent.order, task, intent.thread, level, intent.sent, intent.due,
            intent.completed, False, "", intent.unverified, row,
        ))  # fmt: skip
        self.contacts += [(key, contact) for contact in intent.contacts]
        self.accounts += [(key, account) for account in intent.accounts]
        self.effects.add(row, "activity", key, None, [
            intent.responsible, intent.contract, intent.order, task, level, self.type_ids[intent.type],
            intent.direction.value, intent.sent, intent.due, intent.completed, kinds.checksum(message.subject, message.text),
            intent.contacts, intent.accounts,
        ])  # fmt: skip
        self.threads.file(row, intent)
        if intent.direction is Direction.OUTGOING:
            self.threads.sent[row] = message.recipients

    def _create_task(self, outcome: Outcome, intent: CreateTask) -> None:
        key = self.keys.get(("task", None)) or new_id()
        self.task_ids[fold(intent.number)] = key
        value = task_value(intent.number)
        self.tasks.append((
            key, intent.number, fold(intent.number), value, intent.subject, intent.body, intent.status,
            intent.approver, intent.contract, intent.problem_id or None,
        ))  # fmt: skip
        solvers = tuple(dict.fromkeys(intent.solvers))
        self.solvers += [(key, user) for user in solvers]
        self.effects.add(outcome.row.id, "task", key, None, [
            intent.number, intent.status, intent.approver, intent.contract, intent.problem_id or None,
            kinds.checksum(intent.subject, intent.body), solvers,
        ])  # fmt: skip

    def _update_task(self, outcome: Outcome, intent: UpdateTask) -> None:
        new = {
            "subject": intent.subject[:1000],
            "status": intent.status[:200],
            "contract_id": intent.contract,
            "body": texts.storable(intent.body),
        }
        self.task_changes.add(outcome.row.id, self.task_ids[fold(intent.number)], new)

    def _mark(self, outcome: Outcome, intent: MarkAddress) -> None:
        self.mark(outcome.row.id, intent)

    def mark(self, message: int, intent: MarkAddress) -> None:
        """Mark an address on behalf of a message."""
        flags = _FLAGS[intent.mark]
        for contact in intent.contacts:
            self.contact_marks.add(message, contact, flags)
        for account in intent.accounts:
            self.account_marks.add(message, account, flags)
        if not (intent.contacts or intent.accounts):
            self.forbidden.append((message, intent))

    def _suggest(self, outcome: Outcome, intent: Suggest) -> None:
        key, payload = new_id(), texts.compact(intent.payload)
        self.suggestions.append((key, outcome.row.id, intent.kind, intent.target, payload, kinds.OPEN))
        self.effects.add(outcome.row.id, "suggestion", key, None, [intent.kind, intent.target, kinds.OPEN])

    def _turn(self, outcome: Outcome, intent: TakeTurn) -> None:
        self.turns.add(outcome.row.id, intent.shared, {"last_user_id": intent.user})

    def _join(self, outcome: Outcome, intent: JoinThread) -> None:
        decision = outcome.decision
        self.threads.join(outcome.row.id, intent, decision.identity.message_id, people_of(decision.message))

    def _canary(self, outcome: Outcome, intent: CanaryReturned) -> None:
        self.canaries.append((outcome.row.arrived, intent.token))

    def _invitation(self, outcome: Outcome, intent: Any) -> None:
        self.invitations.take(outcome.row.id, intent)


_MARKS = ("allow_emails", "allow_bulk_emails", "email_broken")
_FLAGS: Mapping[str, dict[str, bool]] = {
    "do_not_send": {"allow_emails": False, "allow_bulk_emails": False},
    "broken": {"email_broken": True},
}
_TAKERS: Mapping[type, Callable[[Writes, Outcome, Any], None]] = {
    CreateActivity: Writes._activity,
    CreateTask: Writes._create_task,
    UpdateTask: Writes._update_task,
    MarkAddress: Writes._mark,
    Suggest: Writes._suggest,
    TakeTurn: Writes._turn,
    JoinThread: Writes._join,
    CanaryReturned: Writes._canary,
    **dict.fromkeys(invites.INTENTS, Writes._invitation),
}


def task_value(number: str) -> int | None:
    """The number as a whole number, where it is one that a column holds: the next task is the largest plus one."""
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= 18 else None


def keeps_key(outcome: Outcome) -> bool:
    """Whether rule 1 compares later mail with this one: not with a duplicate (linked to its first) or one set aside."""
    return outcome.decision.first is None and outcome.decision.verdict is not Verdict.SET_ASIDE


def _decided(outcome: Outcome) -> bulk.Row:
    decision, message = outcome.decision, outcome.decision.message
    identity = decision.identity
    keys = (identity.key, identity.body, identity.message_id) if keeps_key(outcome) else (None, None, None)
    return (
        decision.verdict.value,
        log_json(decision.log),
        trail_json(decision.trail),
        decision.direction.value if decision.direction else "",
        message.sender.email if message.sender else message.raw_from.strip(),
        decision.sender_verified,
        message.subject,
        message.sent,
        *keys,
        decision.first,
        outcome.stored,
        outcome.row.id,
    )


def _attachments(outcome: Outcome) -> Iterable[bulk.Row]:
    """The rows of the mail's attachments; Original.eml where an activity keeps it (manual 7)."""
    message, row = outcome.decision.message, outcome.row.id
    for part, attachment in enumerate(message.attachments):
        content = attachment.content
        sha256 = hashlib.sha256(content).hexdigest()
        yield row, part, attachment.name, attachment.content_type, len(content), sha256
    if any(isinstance(intent, CreateActivity) and intent.keep_original for intent in outcome.decision.intents):
        sha256 = hashlib.sha256(message.raw).hexdigest()
        yield row, ORIGINAL, "Original.eml", "message/rfc822", len(message.raw), sha256


def _note_set_aside(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        decision, row = outcome.decision, outcome.row
        sender = decision.message.sender.email if decision.message.sender else decision.message.raw_from
        reason = decision.trail[-1].code if decision.trail else ""
        note_set_aside(
            row.id, outcome.box.name, reason, sender=sender, subject=decision.message.subject, path=row.path
        )  # fmt: skip


def _write_forbidden(marks: list[tuple[int, MarkAddress]], effects: Effects) -> None:
    """Each address once for each reason; whoever asks for what is there already is noted too (``Changes.supports``).

    An address that was erased stands there as its pseudonym alone.
    """
    addresses = {intent.address for _, intent in marks}
    erased = erasures.pseudonyms(addresses) if marks else {}
    sql = "SELECT email, type, id FROM crm_forbidden_email WHERE email IN {in}"
    found = bulk.query_in(sql, {*addresses, *erased})
    there = {(erased.get(email, email), kind): key for email, kind, key in found}
    rows: list[bulk.Row] = []
    noted: set[tuple[int, str, str]] = set()
    for message, intent in marks:
        place = (intent.address, intent.mark)
        after = [*place, intent.unverified]
        if place not in there:
            there[place] = new_id()
            rows.append((there[place], *after))
            effects.add(message, "forbiddenemail", there[place], None, after)
        elif (message, *place) not in noted:
            effects.add(message, "forbiddenemail", there[place], after, after)
        noted.add((message, *place))
    bulk.insert(models.ForbiddenEmail, "id", "email", "type", "unverified").run(rows)
