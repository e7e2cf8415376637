"""Work that comes again: when it began and ended last, and what came of it (table crm_job)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crmservice.store import bulk, texts
from crmservice.store.database import reading, writing
from crmservice.store.models import Job
from crmservice.words import packed


@dataclass(frozen=True, slots=True)
class Last:
    """The last time of a job. ``ended`` is None while it runs, or where it was cut short. Times are UTC.

    ``result``: what it gave, small and plain; after a fault (``ok`` is False) ``{"fault": words}`` (see words.packed).
    """

    name: str
    began: datetime | None = None
    ended: datetime | None = None
    ok: bool = True
    result: Mapping[str, Any] = field(default_factory=dict)


def read(name: str) -> Last | None:
    """The last time of this job; None: it never ran. Raises DatabaseUnavailable."""
    return next((last for last in read_all() if last.name == name), None)


def read_all() -> list[Last]:
    """The last time of each job that ever ran, by name. Raises DatabaseUnavailable."""
    with reading():
        rows = bulk.query("SELECT name, began, ended, ok, result FROM crm_job ORDER BY name")
    return [
        Last(name, bulk.aware(began), bulk.aware(ended), bool(ok), json.loads(result) if result else {})
        for name, began, ended, ok, result in rows
    ]


def begin(name: str, at: datetime) -> None:
    """Note that a job begins, before it does anything: one that kills its process is not due again at once."""
    _write((name, at, None, True, ""))


def end(last: Last) -> None:
    """Note what a job came to. Raises DatabaseUnavailable."""
    result = texts.compact({key: _plain(value) for key, value in last.result.items()})
    _write((last.name, last.began, last.ended, last.ok, result))


def _plain(value: object) -> object:
    return value if isinstance(value, dict | list | bool | None) else packed(value)


def _write(row: tuple[object, ...]) -> None:
    names = ("name", "began", "ended", "ok", "result")
    conflict = "(name) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    with writing():
        bulk.insert(Job, *names, conflict=conflict).run([row])
