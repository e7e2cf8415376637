"""What all loaders share: finding the record that stands, inserting and updating in bulk."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.db import models as django_models

from crmservice.crm.ids import new_id
from crmservice.crm.tables import Record, key
from crmservice.store import bulk, models
from crmservice.words import Words

Model = type[django_models.Model]
Values = dict[str, Any]


@dataclass(slots=True)
class Load:
    """One load: ``ids`` finds records by their names; ``faults`` collects what only the store can see."""

    force: bool
    faults: list[Words] = field(default_factory=list)
    _ids: dict[str, dict[str, int]] = field(default_factory=dict)

    def id(self, table: str, name: str | None) -> int | None:
        """The key of the record with this name, None for no name."""
        return self.ids(table)[key(table, name)] if name else None

    def ids(self, table: str) -> dict[str, int]:
        """Keys of a table's records by name; of several with one name the oldest."""
        if table not in self._ids:
            model, name = NAMES[table]
            rows = model._default_manager.order_by("-id").values_list(name, "id")
            self._ids[table] = {key(table, value): row for value, row in rows}
        return self._ids[table]

    def forget(self, table: str) -> None:
        """The table changed: look its names up again."""
        self._ids.pop(table, None)


NAMES: Mapping[str, tuple[Model, str]] = {
    "roles": (models.Role, "name"),
    "users": (models.User, "login"),
    "activity_types": (models.ActivityType, "name"),
    "accounts": (models.Account, "name"),
    "contacts": (models.Contact, "name"),
    "contracts": (models.Contract, "number"),
    "orders": (models.Order, "number"),
    "tasks": (models.Task, "number"),
}


@dataclass(slots=True)
class Standing:
    """The rows of a table as they stand: key by file id, and by name."""

    by_ref: dict[str, int] = field(default_factory=dict)
    by_name: dict[Hashable, int] = field(default_factory=dict)
    rows: dict[int, Values] = field(default_factory=dict)


def standing(model: Model, name: Callable[[Values], Hashable], *columns: str) -> Standing:
    """Read a table's rows: their ids, names, and the columns that a load must not simply overwrite."""
    found = Standing()
    for row in model._default_manager.order_by("-id").values("id", "ref", *columns):
        found.rows[row["id"]] = row
        found.by_name[name(row)] = row["id"]
        if row["ref"] is not None:
            found.by_ref[row["ref"]] = row["id"]
    return found


@dataclass(slots=True)
class Placed:
    """A record with its key; ``old`` is the row that stood before, None for a new one (or one of this file)."""

    id: int
    record: Record
    values: Values
    new: bool
    old: Values | None


def place(
    rows: Iterable[Record], there: Standing, name: Callable[[Record], Hashable], values: Callable[[Record], Values]
) -> list[Placed]:
    """Give each record its key: by its id, else by its name, else a new one.

    The same record twice in one file is one: the second changes the first.
    """
    placed = []
    for record in rows:
        ref, named = record.get("id") or None, name(record)
        row = there.by_ref.get(ref) if ref else None
        if row is None and named is not None:
            row = there.by_name.get(named)
            # A record with another id is another one, even with the same name.
            if row is not None and ref and there.rows.get(row, {}).get("ref") not in (None, ref):
                row = None
        new = row is None
        row = new_id() if row is None else row
        columns = values(record) | ({"ref": ref} if ref else {})
        placed.append(Placed(row, record, columns, new, there.rows.get(row)))
        if new:
            there.by_name.setdefault(named, row)
        if ref:
            there.by_ref[ref] = row
    return placed


def write(model: Model, defaults: Mapping[str, Any], placed: Sequence[Placed]) -> None:
    """Insert what is new (``defaults`` for fields left out), then change what stands, in the file's order."""
    names = tuple(defaults)
    rows = ([one.id, *(one.values.get(name, defaults[name]) for name in names)] for one in placed if one.new)
    bulk.insert(model, "id", *names).run(rows)
    changed = [one for one in placed if not one.new and one.values]
    for fields, group in groupby(changed, key=lambda one: tuple(one.values)):
        bulk.update(model, *fields).run([*one.values.values(), one.id] for one in group)


def chosen(record: Record, **columns: tuple[str, Any]) -> Values:
    """Columns for the fields that a record has: ``column=(field, value)``."""
    return {column: value for column, (name, value) in columns.items() if name in record}


def replace_links(model: Model, owner: str, other: str, wished: Mapping[int, Sequence[int]]) -> None:
    """Make the links of each owner exactly these (a team, the solvers of a task)."""
    table, fields = model._meta.db_table, [bulk.field_of(model, name) for name in (owner, other)]
    column = fields[0].column
    bulk.execute_in(f'DELETE FROM "{table}" WHERE "{column}" IN {{in}}', wished)  # noqa: S608 (our own names)
    bulk.insert(model, owner, other).run((key, one) for key, others in wished.items() for one in dict.fromkeys(others))
