"""How effects, messages and changes are called when people are told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crmservice.store import bulk
from crmservice.store.kinds import KINDS
from crmservice.store.noted import Noted
from crmservice.words import Words


def name(effect: Noted) -> Words:
    """What an effect is about."""
    what = _NAMES.get(effect.table, _other)(effect)
    changed = isinstance(effect.before, dict) and isinstance(effect.after, dict)
    return Words("change of: {what}", what=what) if changed and effect.table in _CHANGEABLE else what


def message(key: int) -> Words:
    """A message by its id and its subject."""
    rows = bulk.query("SELECT subject FROM crm_message WHERE id = %s", [key])
    return Words("message {id} ({subject})", id=key, subject=rows[0][0] if rows else "–")


def change(key: int) -> Words:
    """A change by who made it, and its id."""
    rows = bulk.query('SELECT kind, "by" FROM crm_change WHERE id = %s', [key])
    kind, by = rows[0] if rows else ("–", "")
    who = by or Words("the command line")
    return Words("{who} ({kind}, change {id})", who=who, kind=kind, id=key)


def _made(effect: Noted, column: str, sql: str) -> Any:
    """A column of a row that was made or went, else of the row as it is."""
    if isinstance(effect.before, dict) and column in effect.before:
        return effect.before[column]
    kind = KINDS[effect.table]
    if isinstance(effect.after, list) and column in kind.made:
        return effect.after[kind.made.index(column)]
    rows = bulk.query(sql, [int(effect.row)])
    return rows[0][0] if rows else None


def _login(user: Any) -> str:
    rows = bulk.query("SELECT login FROM crm_user WHERE id = %s", [user]) if user is not None else []
    return rows[0][0] if rows else "–"


def _activity(effect: Noted) -> Words:
    user = _made(effect, "responsible_id", "SELECT responsible_id FROM crm_activity WHERE id = %s")
    return Words("activity of {user}", user=_login(user))


def _task(effect: Noted) -> Words:
    number = _made(effect, "number", "SELECT number FROM crm_task WHERE id = %s")
    return Words("task {number}", number=number or "–")


def _contact(effect: Noted) -> Words:
    rows = bulk.query("SELECT name FROM crm_contact WHERE id = %s", [int(effect.row)])
    return Words("mark on the contact {name}", name=rows[0][0] if rows else "–")


def _account(effect: Noted) -> Words:
    rows = bulk.query("SELECT name FROM crm_account WHERE id = %s", [int(effect.row)])
    return Words("mark on the account {name}", name=rows[0][0] if rows else "–")


def _forbidden(effect: Noted) -> Words:
    email = _made(effect, "email", "SELECT email FROM crm_forbidden_email WHERE id = %s")
    return Words("forbidden e-mail {address}", address=email or "–")


def _invitation(effect: Noted) -> Words:
    user = _made(effect, "user_id", "SELECT user_id FROM crm_invitation WHERE id = %s")
    return Words("invitation of {user}", user=_login(user))


def _suggestion(effect: Noted) -> Words:
    kind = _made(effect, "kind", "SELECT kind FROM crm_suggestion WHERE id = %s")
    return Words("suggestion {kind}", kind=kind or "–")


def _turn(effect: Noted) -> Words:
    rows = bulk.query("SELECT address FROM crm_shared_address WHERE id = %s", [int(effect.row)])
    return Words("turn of {address}", address=rows[0][0] if rows else "–")


def _other(effect: Noted) -> Words:
    return Words("record of {table}", table=effect.table)


_CHANGEABLE = ("activity", "task", "invitation", "suggestion")
"""Rows that one message makes and another, or a person, changes."""

_NAMES: Mapping[str, Callable[[Noted], Words]] = {
    "activity": _activity,
    "task": _task,
    "contact": _contact,
    "account": _account,
    "forbiddenemail": _forbidden,
    "invitation": _invitation,
    "suggestion": _suggestion,
    "sharedaddress": _turn,
    "join": lambda _effect: Words("place in its thread"),
    "threadfiling": lambda _effect: Words("filing of its thread"),
    "thread": lambda _effect: Words("merging of two threads"),
    "attachments": lambda _effect: Words("list of attachments"),
    "message": lambda _effect: Words("verdict"),
}
