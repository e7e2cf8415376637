"""Effects as they are noted: which count, whose they are, and what came later to the same rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from crmservice.store import bulk

_COLUMNS = 'e.id, e.message_id, e."table", e."row", e."before", e."after", e.change_id, e.undone_id'

CAPTURING = ("replay", "after-all", "accept", "undo")
"""Kinds of changes whose effects are caused by the message; what a person edited is that person's."""


@dataclass(slots=True)
class Noted:
    """An effect. ``id`` rises in the order in which they came to be; ``before`` None: made; ``after`` None: went."""

    id: int
    message: int
    table: str
    row: str
    before: Any
    after: Any
    change: int | None
    undone: int | None

    @property
    def place(self) -> tuple[str, str]:
        """The table and the row."""
        return self.table, self.row

    @property
    def took_back(self) -> bool:
        """Whether it takes an earlier effect back, and was not taken back itself."""
        return self.undone is not None and self.undone == self.change


def of_message(message: int) -> list[Noted]:
    """The effects that count as caused by a message, the latest first; its verdict is none of them."""
    kinds = ", ".join(f"'{kind}'" for kind in CAPTURING)
    sql = (
        f"SELECT {_COLUMNS} FROM crm_effect e LEFT JOIN crm_change c ON c.id = e.change_id"  # noqa: S608 (our own names)
        f" WHERE e.message_id = %s AND e.undone_id IS NULL AND e.\"table\" <> 'message'"
        f" AND (c.id IS NULL OR c.kind IN ({kinds})) ORDER BY e.id DESC"
    )
    return [_noted(row) for row in bulk.query(sql, [message])]


def of_change(change: int) -> list[Noted]:
    """What is left to take back of a change, the latest first."""
    sql = (
        f"SELECT {_COLUMNS} FROM crm_effect e WHERE e.change_id = %s"  # noqa: S608 (our own names)
        " AND (e.undone_id IS NULL OR e.undone_id = e.change_id) ORDER BY e.id DESC"
    )
    return [_noted(row) for row in bulk.query(sql, [change])]


def on_rows(rows: Collection[str], tables: Iterable[str], after: int = 0) -> list[Noted]:
    """Effects that count on these rows of these tables, in order; only those with an id above ``after``.

    No index leads to a row: effects of ``after`` and later are looked through.
    """
    names = ", ".join(f"'{table}'" for table in tables)
    sql = (
        f"SELECT {_COLUMNS} FROM crm_effect e WHERE e.id > %s AND e.undone_id IS NULL"  # noqa: S608 (our own names)
        f' AND e."table" IN ({names}) AND e."row" IN {{in}}'
    )
    return sorted((_noted(row) for row in bulk.query_in(sql, rows, before=[after])), key=lambda effect: effect.id)


def newest() -> int:
    """The id of the latest effect there is; 0 for none."""
    return int(bulk.query("SELECT coalesce(max(id), 0) FROM crm_effect")[0][0])


def later_of_message(effect: Noted) -> list[Noted]:
    """Later effects of the same message on the same row: a person's, a replay's, one that took something back."""
    sql = (
        f"SELECT {_COLUMNS} FROM crm_effect e WHERE e.message_id = %s AND e.id > %s"  # noqa: S608 (our own names)
        ' AND (e.undone_id IS NULL OR e.undone_id = e.change_id) AND e."table" = %s AND e."row" = %s ORDER BY e.id'
    )
    return [_noted(row) for row in bulk.query(sql, [effect.message, effect.id, *effect.place])]


def is_over(effect: Noted, change: int) -> None:
    """Note that this change took the effect back."""
    effect.undone = change
    bulk.execute("UPDATE crm_effect SET undone_id = %s WHERE id = %s", [change, effect.id])


def begins_with(effect: Noted, before: Any) -> None:
    """Let the effect say that it was the one who made its row, or changed it from this."""
    effect.before = before
    text = "" if before is None else json.dumps(before, ensure_ascii=False, separators=(",", ":"))
    bulk.execute('UPDATE crm_effect SET "before" = %s WHERE id = %s', [text, effect.id])


def _noted(row: tuple[Any, ...]) -> Noted:
    key, message, table, name, before, after, change, undone = row
    return Noted(key, message, table, name, _read(before), _read(after), change, undone)


def _read(text: str) -> Any:
    return json.loads(text) if text else None


def next_numbers(messages: Collection[int]) -> dict[int, int]:
    """With which number the next effect of each message begins."""
    sql = "SELECT message_id, max(n) + 1 FROM crm_effect WHERE message_id IN {in} GROUP BY message_id"
    return dict(bulk.query_in(sql, messages))
