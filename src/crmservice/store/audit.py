"""The audit log: rows that are only added, each bound to the one before by an HMAC (TRUST.md D.9).

A row that was changed, one that is gone and one that was put in break the chain at their place. Rows cut off at the end
would not, so the newest row's number and mac are kept in a file too (``.crmservice/audit.head``). Who can read the
key (``audit.key``) and write both the database and the file can forge all of it: the nightly verify notes the head in
the log, which may be kept elsewhere.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection

from crmservice.mail.mentions import replaced
from crmservice.store import bulk, database, erasures, keys, texts
from crmservice.store.database import refresh, writing
from crmservice.store.models import Audit
from crmservice.words import Words

KEY = "audit"
PAGE = 1000

_COLUMNS = ("id", "at", "who", "source", "action", "object", "facts", "mac")


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit log. ``facts`` is JSON."""

    id: int
    at: datetime
    who: str
    source: str
    action: str
    object: str
    facts: str
    mac: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain is broken: the row's number, and what is wrong."""

    id: int
    why: Words


def append(who: str, source: str, action: str, what: str = "", facts: Mapping[str, Any] | None = None) -> int:
    """Add a row; returns its number. In a transaction of the caller's it comes to be with that.

    ``who``: a login, ``command line``, ``service``; ``source``: ``cli``, ``web``, ``api``, ``job``, ``mail``;
    ``action``: a code; ``what``: what it was done to; ``facts``: small and plain, neither bodies nor secrets. Addresses in
    both become pseudonyms (``erasures.pseudonym``): a row can't be erased. Raises DatabaseUnavailable, or OSError where the key can't be made.
    """
    key = keys.secret(KEY)
    with writing():
        database.one_at_a_time(database.AUDIT_LOCK)
        last, before = _last()
        row = _row(last + 1, who, source, action, _nameless(what), _nameless(texts.compact(facts or {})))
        mac = _mac(key, before, row)
        bulk.insert(Audit, *_COLUMNS).run([(*row, mac)])
    connection.on_commit(lambda: _note_head(last + 1, mac))
    return last + 1


def entries(*, before: int | None = None, limit: int = 100) -> list[Entry]:
    """The newest rows first, below the number ``before``."""
    refresh()
    sql = f"SELECT {_NAMES} FROM crm_audit WHERE id < %s ORDER BY id DESC LIMIT %s"  # noqa: S608 (our own names)
    return [_entry(row) for row in bulk.query(sql, [2**62 if before is None else before, limit])]


def broken() -> Iterator[Broken]:
    """Every place where the log is not as it was written; nothing where it is whole."""
    refresh()
    key, head = keys.known(KEY), _read_head()
    last, before, at_head = 0, "", ""
    for entry in _in_order():
        if not key:
            yield Broken(entry.id, Words("the key .crmservice/audit.key is missing: nothing can be verified"))
            return
        if entry.id > last + 1:
            yield _missing(last + 1, entry.id - 1)
        elif not hmac.compare_digest(_mac(key, before, _values(entry)), entry.mac):
            yield Broken(entry.id, Words("this row, or the one before it, is not as it was written"))
        last, before = entry.id, entry.mac
        at_head = entry.mac if head is not None and entry.id == head[0] else at_head
    yield from _at_the_end(last, head, at_head)


def head_is_newest() -> None:
    """Take the newest row for the head: the store was just restored, and its rows were held against a manifest."""
    refresh()
    number, mac = _last()
    if number:
        _note_head(number, mac)
    else:
        _head_file().unlink(missing_ok=True)


def head() -> tuple[int, str]:
    """The newest row's number and mac; 0 and nothing where there is none."""
    refresh()
    return _last()


_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)


def _missing(first: int, last: int) -> Broken:
    if first == last:
        return Broken(first, Words("this row is missing"))
    return Broken(first, Words("this row and all up to {last} are missing", last=last))


def _at_the_end(last: int, head: tuple[int, str] | None, at_head: str) -> Iterator[Broken]:
    """What the head's file says against the rows: it may be behind them (a crash), never ahead."""
    if head is None:
        if last:
            yield Broken(last, Words("the file .crmservice/audit.head is missing: rows after this one may be too"))
    elif head[0] > last:
        yield _missing(last + 1, head[0])
    elif at_head != head[1]:
        yield Broken(head[0], Words("this row is not the one that .crmservice/audit.head names"))


def _in_order() -> Iterator[Entry]:
    last = 0
    sql = f"SELECT {_NAMES} FROM crm_audit WHERE id > %s ORDER BY id LIMIT {PAGE}"  # noqa: S608 (our own names)
    while rows := bulk.query(sql, [last]):
        yield from map(_entry, rows)
        last = rows[-1][0]


def _entry(row: Sequence[Any]) -> Entry:
    key, at, *rest = row
    time = bulk.aware(at)
    assert time is not None
    return Entry(key, time, *rest)


def _nameless(text: str) -> str:
    return replaced(text, erasures.pseudonym) if "@" in text or "%40" in text else text


def _row(number: int, who: str, source: str, action: str, what: str, facts: str) -> tuple[Any, ...]:
    """The values as the table holds them, so that what is signed is what is read again."""
    given = {"who": who, "source": source, "action": action, "object": what}
    kept = {name: texts.storable(value)[: bulk.field_of(Audit, name).max_length] for name, value in given.items()}
    return (number, bulk.now(), *kept.values(), texts.storable(facts))


def _values(entry: Entry) -> tuple[Any, ...]:
    return (entry.id, entry.at, entry.who, entry.source, entry.action, entry.object, entry.facts)


def _mac(key: bytes, before: str, row: tuple[Any, ...]) -> str:
    number, at, *rest = row
    text = json.dumps([before, number, at.isoformat(timespec="microseconds"), *rest], ensure_ascii=False)
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _last() -> tuple[int, str]:
    rows = bulk.query("SELECT id, mac FROM crm_audit ORDER BY id DESC LIMIT 1")
    return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")


def _head_file() -> Path:
    return database.home() / database.PRIVATE / "audit.head"


def _note_head(number: int, mac: str) -> None:
    """Write the head's file anew. A full disk leaves it behind the rows, which is no fault of them."""
    file = _head_file()
    fresh = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        fresh.write_text(json.dumps([number, mac]), "utf-8")
        fresh.replace(file)


def _read_head() -> tuple[int, str] | None:
    try:
        number, mac = json.loads(_head_file().read_text("utf-8"))
        return int(number), str(mac)
    except (OSError, ValueError, TypeError):
        return None
