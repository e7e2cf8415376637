"""A suggestion accepted: what the mail only proposed is done, with effects, as a change (HOUSE.md, point 8)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crmservice.crm.directory import Wanted
from crmservice.crm.invitations import PROPOSAL, accepted
from crmservice.crm.records import MarkAddress
from crmservice.errors import CrmServiceError
from crmservice.mail.text import fold
from crmservice.store import bulk, joins, lookup, rows
from crmservice.store.changes import Effects
from crmservice.store.gateway import StoreGateway
from crmservice.store.kinds import ACCEPTED, OPEN
from crmservice.store.taking import Taking
from crmservice.store.threads import filings, is_filed_later
from crmservice.store.undo import By, changing
from crmservice.store.writes import Writes


class NotAcceptable(CrmServiceError):
    """This suggestion can't be accepted."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A suggestion on its way: ``choice`` is the account meant, where several were suggested."""

    taking: Taking
    message: int
    target: str
    payload: Mapping[str, Any]
    choice: int | None

    @property
    def activities(self) -> list[str]:
        """The message's activities. Raises NotAcceptable where there is none."""
        found = bulk.query("SELECT id FROM crm_activity WHERE message_id = %s ORDER BY id", [self.message])
        if not found:
            raise NotAcceptable("its message has no activity")
        return [str(key) for (key,) in found]

    def change(self, table: str, row: str, columns: Mapping[str, Any]) -> None:
        """Change a row on behalf of the message."""
        now = rows.read(table, row)
        assert now is not None
        new = {name: value for name, value in columns.items() if now[name] != value}
        if new:
            rows.change(table, row, new)
            self.taking.note(self.message, table, row, {name: now[name] for name in new}, new, counts=True)


def accept(suggestion: int, by: By, choice: int | None = None) -> int:
    """Do what a suggestion proposes; returns the change, which undo takes back.

    ``choice``: the id of the account meant, where several were suggested. Raises NotAcceptable, Crossed, or
    DatabaseUnavailable.
    """
    with changing("accept", by) as taking:
        kind, asked = _asked(taking, suggestion, choice)
        _KINDS[kind](asked)
        asked.change("suggestion", str(suggestion), {"state": ACCEPTED})
        return taking.change


def _asked(taking: Taking, suggestion: int, choice: int | None) -> tuple[str, _Asked]:
    sql = "SELECT message_id, kind, target, payload, state FROM crm_suggestion WHERE id = %s"
    found = bulk.query(sql, [suggestion])
    if not found:
        raise NotAcceptable("there is no suggestion {id}", id=suggestion)
    message, kind, target, payload, state = found[0]
    if state != OPEN:
        raise NotAcceptable("suggestion {id} was answered already", id=suggestion)
    if kind not in _KINDS:
        raise NotAcceptable("suggestions of the kind {kind} can't be accepted", kind=kind)
    taking.number(message)
    return kind, _Asked(taking, message, target, json.loads(payload or "{}"), choice)


def _assignment(asked: _Asked) -> None:
    """Contract, order or task of a marker, or all that the thread knows; the thread is filed there, too."""
    columns = _columns(asked)
    for activity in asked.activities:
        asked.change("activity", activity, columns)
    _file_thread(asked)


def _columns(asked: _Asked) -> dict[str, int]:
    kind, _, number = asked.target.partition(":")
    if kind == "thread":
        wanted = asked.payload
        task = _numbered("task", wanted["task"]) if wanted["task"] else None
        found = {"contract_id": wanted["contract"], "order_id": wanted["order"], "task_id": task}
        return {name: key for name, key in found.items() if key is not None}
    return {f"{kind}_id": _numbered(kind, number)}


def _numbered(kind: str, number: str) -> int:
    table = {"contract": "crm_contract", "order": "crm_order", "task": "crm_task"}[kind]
    found = bulk.query(f"SELECT id FROM {table} WHERE folded = %s ORDER BY id LIMIT 1", [fold(number)])  # noqa: S608 (our own names)
    if not found:
        raise NotAcceptable("nobody has the number {number} any more", number=number)
    return int(found[0][0])


def _file_thread(asked: _Asked) -> None:
    sql = "SELECT thread, contract_id, order_id, task_id FROM crm_activity WHERE message_id = %s AND thread IS NOT NULL"
    for thread, *filing in bulk.query(f"{sql} ORDER BY id LIMIT 1", [asked.message]):
        before = filings([thread]).get(thread)
        if before != filing and not is_filed_later(thread, asked.message):
            joins.file(thread, filing)
            asked.taking.note(asked.message, "threadfiling", str(thread), before, filing, counts=True)


def _account(asked: _Asked) -> None:
    """The activity is with this account, too."""
    suggested = asked.payload["accounts"]
    chosen = suggested if asked.choice is None else [key for key in suggested if key == asked.choice]
    if len(chosen) != 1:
        raise NotAcceptable("several accounts are suggested: choose one of them")
    _link(asked, "accounts", chosen)


def _link(asked: _Asked, name: str, more: Sequence[int]) -> None:
    for activity in asked.activities:
        there = (rows.read("activity", activity) or {})[name]
        asked.change("activity", activity, {name: [*there, *(key for key in more if key not in there)]})


def _forwarded(asked: _Asked) -> None:
    """What a colleague forwarded as a quoted block becomes the incoming mail that it was."""
    payload = asked.payload
    for activity in asked.activities:
        now = rows.read("activity", activity) or {}
        sent = payload["sent"] and str(bulk.aware(payload["sent"]))
        dates = {"sent": sent, "completed": sent if now["completed"] else None} if sent else {}
        subject = {"subject": payload["subject"]} if payload["subject"] else {}
        asked.change("activity", activity, {"direction": "incoming", **subject, **dates})
    _link(asked, "contacts", payload["contacts"])
    _link(asked, "accounts", payload["accounts"])


def _broken(asked: _Asked) -> None:
    """The address is broken, though nothing shows that we ever wrote to it."""
    found = StoreGateway().directory_for(Wanted(addresses=frozenset({asked.target})), [])
    contacts = tuple(contact.id for contact in found.contacts.get(asked.target, ()))
    accounts = tuple(account.id for account in found.accounts.get(asked.target, ()))
    writes = Writes({}, {}, Effects(asked.taking.change, asked.taking.effects.first))
    writes.mark(asked.message, MarkAddress(asked.target, "broken", contacts, accounts))
    writes.write()


def _proposal(asked: _Asked) -> None:
    """An invitation is changed by somebody who had no right to."""
    users = lookup.users_by("id", asked.payload["users"])
    uid = asked.payload["event"]["uid"]
    found = StoreGateway().directory_for(Wanted(uids=frozenset({uid})), [])
    intents = accepted(asked.payload, users, found.invitations)
    if not intents:
        raise NotAcceptable("there is nothing to change by it any more")
    writes = Writes({}, {}, Effects(asked.taking.change, asked.taking.effects.first))
    for intent in intents:
        writes.invitations.take(asked.message, intent)
    writes.write()


_KINDS: Mapping[str, Callable[[_Asked], None]] = {
    "assignment": _assignment,
    "account": _account,
    "forwarded": _forwarded,
    "broken": _broken,
    PROPOSAL: _proposal,
}
