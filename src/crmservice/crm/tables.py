"""The tables of ``load`` and ``export``: which fields there are, and whether a file's records hold together.

Pure: shared by the store and by ``explain --records``. Every fault is found before anything is loaded.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from crmservice.crm import own_rules
from crmservice.errors import BadConfiguration, BadValue
from crmservice.mail.text import fold
from crmservice.words import Words, joined

Record = dict[str, Any]
Tables = dict[str, list[Record]]

_PSEUDONYM = re.compile(r"hmac:[0-9a-f]{64}")
_LOADED = {"id": "text"}
_FLAGS = {"allow_emails": "bool", "allow_bulk_emails": "bool", "email_broken": "bool"}

FIELDS: Mapping[str, Mapping[str, str]] = {
    "roles": _LOADED | {"name": "text", "parent": "one roles", "level": "any"},
    "users": _LOADED
    | {
        "login": "text", "name": "text", "email": "address", "aliases": "addresses", "role": "one roles",
        "active": "bool", "admin": "bool", "never_file": "entries",
    },
    "shared_addresses": _LOADED | {"address": "address", "responsible": "one users", "role": "one roles"},
    "activity_types": _LOADED | {"name": "text"},
    "accounts": _LOADED | {"name": "text", "emails": "addresses"} | _FLAGS,
    "contacts": _LOADED | {"name": "text", "account": "one accounts", "emails": "addresses"} | _FLAGS,
    "contracts": _LOADED | {"number": "text", "name": "text", "account": "one accounts", "team": "many users"},
    "orders": _LOADED | {"number": "text", "name": "text", "account": "one accounts"},
    "tasks": _LOADED
    | {
        "number": "text", "subject": "text", "body": "text", "status": "text", "solvers": "many users",
        "approver": "one users", "contract": "one contracts", "problem_id": "text",
    },
    "activities": _LOADED
    | {
        "kind": "text", "subject": "text", "body": "text", "direction": "text", "type": "one activity_types",
        "responsible": "one users", "accounts": "many accounts", "contacts": "many contacts",
        "contract": "one contracts", "order": "one orders", "task": "one tasks", "scope": "scope", "sent": "time",
        "due": "time", "completed": "time", "attachments": "any", "starts": "moment", "ends": "moment",
        "all_day": "bool", "location": "text", "participants": "many users", "attendees": "any", "rule": "text",
        "zone": "text", "series": "any", "occurrence": "any", "link": "any", "cancelled": "bool", "deleted": "bool",
    },
    "forbidden_emails": _LOADED | {"email": "forbidden", "type": "mark", "deleted": "bool"},
    "invitations": _LOADED
    | {
        "user": "one users", "uid": "text", "occurrence": "text", "summary": "text", "organizer": "text",
        "starts": "moment", "ends": "moment", "all_day": "bool", "location": "text", "sequence": "whole",
        "status": "text",
    },
    "own_rules": _LOADED
    | {
        "name": "text", "position": "whole", "from": "lower", "to": "lower", "subject": "text", "header": "text", "text": "text",
        "skip": "bool", "contract": "one contracts", "order": "one orders", "task": "one tasks",
        "type": "one activity_types", "scope": "scope", "responsible": "one users", "deleted": "bool",
    },
    "messages": dict.fromkeys(
        ("subject", "sender", "log", "backup", "sha256", "activities"), "any"
    ),
    "suggestions": dict.fromkeys(("message", "kind", "target", "payload", "state"), "any"),
}  # fmt: skip
"""Table -> field -> kind. ``one`` and ``many`` name the table that the text or the list of texts refers to."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "roles": ("name",), "users": ("login",), "shared_addresses": ("address",), "activity_types": ("name",),
    "accounts": ("name",), "contacts": ("name", "account"), "contracts": ("number",), "orders": ("number",),
    "tasks": ("number",), "forbidden_emails": ("email", "type"), "invitations": ("user", "uid", "occurrence"),
    "own_rules": ("name",),
}  # fmt: skip
"""The fields that a record without ``id`` is known by."""

EXPORT_ONLY = frozenset({"messages", "suggestions"})
_OPTIONAL_KEYS = {"contacts": {"account"}, "tasks": {"number"}, "invitations": {"occurrence"}}
NUMBERED = frozenset({"contracts", "orders", "tasks"})


class BadTables(BadConfiguration):
    """Records that can't be loaded; ``faults`` names each. Nothing of the file is loaded."""

    def __init__(self, faults: Iterable[Words]) -> None:
        self.faults = tuple(faults)
        super().__init__("{faults}", faults=joined("\n", self.faults))


@dataclass(slots=True)
class _Reading:
    faults: list[Words] = field(default_factory=list)
    tables: Tables = field(default_factory=dict)
    refers: dict[str, list[tuple[Words, str]]] = field(default_factory=dict)


def key(table: str, name: str) -> str:
    """A record's name as it is compared: numbers folded, addresses in lower case, other names as they are."""
    if table in NUMBERED:
        return fold(name)
    return name.lower() if table == "shared_addresses" else name


def checked(tables: object, known: Callable[[str], Collection[str]] = lambda _table: ()) -> Tables:
    """The records with their values in form: texts, lower-case addresses, aware UTC times.

    A field that a record leaves out stays out. ``known`` gives the names (``key``) of the records of a table
    that stand already. Raises BadTables with every fault: an unknown table or field (and the nearest one
    there is), a value of the wrong kind, a missing name, a reference to nobody.
    """
    reading = _Reading()
    if not isinstance(tables, Mapping):
        raise BadTables([Words("the file must hold one object with a list for each table")])
    for table, rows in tables.items():
        if table not in FIELDS:
            reading.faults.append(
                Words("{table}: no such table ({advice})", table=table, advice=_nearest(table, FIELDS))
            )
        elif not isinstance(rows, list):
            reading.faults.append(Words("{table}: is no list of records", table=table))
        elif table not in EXPORT_ONLY:
            reading.tables[table] = [_record(reading, table, n, row) for n, row in enumerate(rows, 1)]
    _check_references(reading, known)
    if reading.faults:
        raise BadTables(reading.faults)
    return reading.tables


def address_taken(record: Mapping[str, Any], address: str) -> Words:
    """The fault of a user whose address somebody else has."""
    return _fault(_label("users", record), Words("the address {address} is another user's", address=address))


def _fault(label: Words, what: Words) -> Words:
    return joined(": ", [label, what])


def _label(table: str, record: Mapping[str, Any], n: int = 0) -> Words:
    """What a fault calls a record: its table and its name, else its place (from 1)."""
    names = (record.get(name) for name in ("login", "number", "name", "address", "email", "uid", "id", "subject"))
    name = next((str(name) for name in names if name), "")
    return Words("{table} {name!r}", table=table, name=name) if name else _nameless(table, n)


def _nameless(table: str, n: int) -> Words:
    return Words("{table} record {n}", table=table, n=n)


def _nearest(name: str, names: Iterable[str]) -> Words:
    found = difflib.get_close_matches(str(name), list(names), n=1)
    if found:
        return Words("did you mean {guess}?", guess=found[0])
    return Words("there are: {known}", known=", ".join(sorted(names)))


def _record(reading: _Reading, table: str, n: int, row: object) -> Record:
    if not isinstance(row, Mapping):
        reading.faults.append(_fault(_nameless(table, n), Words("is no object with fields")))
        return {}
    fields, record = FIELDS[table], Record()
    label = _label(table, row, n)
    for given, value in row.items():
        if (kind := fields.get(given)) is None:
            what = Words("no field {field!r} ({advice})", field=given, advice=_nearest(given, fields))
            reading.faults.append(_fault(label, what))
            continue
        try:
            record[given] = _value(kind, value)
        except BadValue as fault:
            reading.faults.append(joined(": ", [label, given, fault.words]))
            continue
        _note_reference(reading, kind, label, record[given])
    _check_key(reading, table, label, record)
    return record


def _note_reference(reading: _Reading, kind: str, label: Words, value: Any) -> None:
    how, _, target = kind.partition(" ")
    for one in (value,) if how == "one" else value if how == "many" else ():
        if one:
            reading.refers.setdefault(target, []).append((label, one))


def _check_key(reading: _Reading, table: str, label: Words, record: Record) -> None:
    if record.get("id") and table not in {"forbidden_emails", "invitations"}:
        missing = []
    elif table == "activities":
        missing = ["id"]
    else:
        missing = [one for one in KEYS[table] if not record.get(one) and one not in _OPTIONAL_KEYS.get(table, ())]
    if missing:
        reading.faults.append(_fault(label, Words("{fields} missing", fields=", ".join(missing))))
    if table == "shared_addresses" and record.get("responsible") and record.get("role"):
        reading.faults.append(_fault(label, Words("has a responsible user and a role: one of them")))
    if table == "own_rules" and not record.get("deleted") and (why := own_rules.refused(record)) is not None:
        reading.faults.append(_fault(label, why))


def _check_references(reading: _Reading, known: Callable[[str], Collection[str]]) -> None:
    for table, references in reading.refers.items():
        first = KEYS[table][0]
        names = {key(table, row[first]) for row in reading.tables.get(table, ()) if row.get(first)}
        missing = [(label, one) for label, one in references if key(table, one) not in names]
        stored = known(table) if missing else ()
        reading.faults += [
            _fault(label, Words("there is no {name!r} in {table}", name=one, table=table))
            for label, one in missing
            if key(table, one) not in stored
        ]


def _value(kind: str, value: Any) -> Any:
    how = kind.partition(" ")[0]
    return _READERS[how](value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValue("{value!r} is no text", value=value)
    return str(value)


def _name(value: Any) -> str:
    return _text(value).strip()


def _lower(value: Any) -> str:
    return _name(value).lower()


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValue("{value!r} is neither true nor false", value=value)
    return value


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadValue("{value!r} is no list", value=value)
    return list(dict.fromkeys(filter(None, map(_name, value))))


def _address(value: Any) -> str:
    address = _name(value).lower()
    if address and ("@" not in address.strip("@") or any(c.isspace() for c in address)):
        raise BadValue("{value!r} is no address", value=value)
    return address


def _entries(value: Any) -> list[str]:
    """Addresses and domains."""
    found = [one.lower().removeprefix("@") for one in _list(value)]
    for one in found:
        if not re.fullmatch(r"([^@\s]+@)?[^@\s]+", one):
            raise BadValue("{value!r} is neither an address nor a domain", value=one)
    return found


def _forbidden(value: Any) -> str:
    """An address, or the pseudonym of one that was erased: what one home exports it may load again."""
    text = _name(value).lower()
    return text if _PSEUDONYM.fullmatch(text) else _address(value)


def _addresses(value: Any) -> list[str]:
    return list(dict.fromkeys(filter(None, map(_address, _list(value)))))


def _time(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(_name(value))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_time(value) from None


def _no_time(value: Any) -> BadValue:
    return BadValue("{value!r} is no time: write it as 2026-11-30T14:00:00+01:00", value=value)


def _moment(value: Any) -> datetime | date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and len(value.strip()) == 10:
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise _no_time(value) from None
    return _time(value)


def _whole(value: Any) -> int:
    try:
        return int("" if isinstance(value, bool) else value)
    except (ValueError, TypeError, OverflowError):
        raise BadValue("{value!r} is no whole number", value=value) from None


def _scope(value: Any) -> str | None:
    if value is None:
        return None
    scope = _name(value).lower()
    if scope != "p-" and not (scope.startswith("p") and scope[1:].isdecimal() and scope.isascii()):
        raise BadValue("{value!r} is no scope (p- or p1, p2, …)", value=value)
    return scope


def _mark(value: Any) -> str:
    if value not in ("do_not_send", "broken"):
        raise BadValue("{value!r} is neither do_not_send nor broken", value=value)
    return str(value)


def _any(value: Any) -> Any:
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "any": _any,
    "text": _text,
    "one": _name,
    "many": _list,
    "bool": _bool,
    "address": _address,
    "addresses": _addresses,
    "forbidden": _forbidden,
    "entries": _entries,
    "time": _time,
    "moment": _moment,
    "whole": _whole,
    "scope": _scope,
    "mark": _mark,
    "lower": _lower,
}


def _circle(roles: list[str]) -> list[Words]:
    return [_fault(_label("roles", {"name": name}), Words("is its own superior")) for name in sorted(roles)]


def levels(parents: Mapping[str, str]) -> dict[str, int]:
    """The level of each role by its parent (empty for a root): the root's is 1.

    Raises BadTables that names each role of a circle.
    """
    found: dict[str, int] = {}
    for role in parents:
        path: list[str] = []
        at = role
        while at and at not in found:
            if at in path:
                raise BadTables(_circle(path[path.index(at) :]))
            path.append(at)
            at = parents.get(at, "")
        for name in reversed(path):
            found[name] = found.get(parents.get(name, ""), 0) + 1
    return found
