"""Hot writes: ``executemany`` of plain tuples, their columns and forms taken from the models.

Django's own ``bulk_create`` and ``bulk_update`` take ten times as long (HOUSE.md, "Where the time goes").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from typing import Any

from django.db import connection, models

from crmservice.store import texts

Convert = Callable[[Any], Any]
Row = Sequence[Any]

_CHUNK = 900
"""Values in one IN list: older SQLite libraries allow 999 variables in a statement."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement to run for many rows; ``converts`` brings each value into the database's form."""

    sql: str
    converts: tuple[Convert, ...]

    def run(self, rows: Iterable[Row]) -> None:
        """Run it for each row; a row has a value for each column, None for NULL."""
        converts = self.converts
        prepared = [
            [None if value is None else convert(value) for convert, value in zip(converts, row, strict=True)]
            for row in rows
        ]
        if prepared:
            with connection.cursor() as cursor:
                cursor.executemany(self.sql, prepared)


def insert(model: type[models.Model], *names: str, conflict: str = "") -> Statement:
    """An INSERT of these fields (``user_id`` names a key's column); ``conflict`` is the text behind ON CONFLICT."""
    return _insert(model, names, conflict, connection.vendor)


def update(model: type[models.Model], *names: str, key: str = "id") -> Statement:
    """An UPDATE of these fields where ``key`` is the last value of each row."""
    return _update(model, names, key, connection.vendor)


@cache
def _insert(model: type[models.Model], names: tuple[str, ...], conflict: str, vendor: str) -> Statement:
    fields = [field_of(model, name) for name in names]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    ending = f" ON CONFLICT {conflict}" if conflict else ""
    sql = f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({places}){ending}'  # noqa: S608 (our own names)
    return Statement(sql, tuple(converter(field, vendor) for field in fields))


@cache
def _update(model: type[models.Model], names: tuple[str, ...], key: str, vendor: str) -> Statement:
    fields = [field_of(model, name) for name in (*names, key)]
    changes = ", ".join(f'"{field.column}" = %s' for field in fields[:-1])
    sql = f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{fields[-1].column}" = %s'  # noqa: S608 (our own names)
    return Statement(sql, tuple(converter(field, vendor) for field in fields))


def field_of(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    """The field with this name or column name. Raises LookupError for another name."""
    return next(field for field in model._meta.local_concrete_fields if name in (field.name, field.attname))


def converter(field: models.Field[Any, Any], vendor: str) -> Convert:
    """What brings a value of this field into the form that the database's driver takes."""
    if isinstance(field, models.ForeignKey):
        field = field.target_field
    for kind, make in _CONVERTERS:
        if isinstance(field, kind):
            return make(field, vendor)
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _text(field: models.Field[Any, Any], _vendor: str) -> Convert:
    limit = field.max_length

    def convert(value: str) -> str:
        return texts.storable(value)[:limit]

    return convert


def _time(_field: models.Field[Any, Any], vendor: str) -> Convert:
    return _sqlite_time if vendor == "sqlite" else _utc


def _date(_field: models.Field[Any, Any], vendor: str) -> Convert:
    return date.isoformat if vendor == "sqlite" else _as_it_is


def _whole(field: models.Field[Any, Any], _vendor: str) -> Convert:
    low, high = {
        "SmallIntegerField": (-(2**15), 2**15 - 1),
        "IntegerField": (-(2**31), 2**31 - 1),
    }.get(field.get_internal_type(), (-(2**63), 2**63 - 1))

    def convert(value: int) -> int:
        return value if low <= value <= high else max(low, min(high, value))

    return convert


_CONVERTERS: tuple[tuple[type[models.Field[Any, Any]], Callable[[models.Field[Any, Any], str], Convert]], ...] = (
    (models.CharField, _text),
    (models.TextField, _text),
    (models.DateTimeField, _time),
    (models.DateField, _date),
    (models.IntegerField, _whole),
)


def _utc(value: datetime) -> datetime:
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _sqlite_time(value: datetime) -> str:
    return _utc(value).replace(tzinfo=None).isoformat(" ")


def aware(value: Any) -> datetime | None:
    """A time read by a query of ours, aware and UTC (SQLite gives it naive)."""
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else _utc(value)


def moment(value: Any) -> datetime:
    """``aware`` of a column that is never NULL."""
    time = aware(value)
    assert time is not None
    return time


def now() -> datetime:
    """The present, to the microsecond, aware and UTC."""
    return datetime.now(UTC)


def query(sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(parameters))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def query_in(sql: str, values: Iterable[Any], before: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query for many values: ``{in}`` in it becomes a list of them, chunk by chunk.

    ``before`` are the parameters in front of ``{in}``. No values, no query.
    """
    rows: list[tuple[Any, ...]] = []
    for chunk in chunks(values):
        rows += query(sql.replace("{in}", f"({', '.join(['%s'] * len(chunk))})"), [*before, *chunk])
    return rows


def execute(sql: str, parameters: Iterable[Any] = ()) -> int:
    """Run a statement; returns how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(parameters))
        return int(cursor.rowcount)


def execute_in(sql: str, values: Iterable[Any], before: Sequence[Any] = ()) -> None:
    """Run a statement for many values, chunk by chunk; ``before`` are the parameters in front of ``{in}``."""
    for chunk in chunks(values):
        execute(sql.replace("{in}", f"({', '.join(['%s'] * len(chunk))})"), [*before, *chunk])


def chunks(values: Iterable[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    """The values in lists of at most ``size``."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk
