"""One row as effects know it: read whole, held against what an effect says, taken out and put back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.db import models as django_models

from crmservice.store import bulk, texts
from crmservice.store.changes import State
from crmservice.store.kinds import KINDS, TEXT, Kind, Links, Model, checksum


def read(table: str, key: str) -> State | None:
    """All columns of a row as plain JSON, its links as lists of ids under their names; None where it is gone."""
    kind = KINDS[table]
    row = kind.model._default_manager.filter(pk=key).values().first()
    if row is None:
        return None
    links = {name: _linked(link, key) for name, link in kind.links.items()}
    return cast("State", json.loads(texts.compact(row | links)))


def _linked(link: Links, key: str) -> list[int]:
    rows = link.model._default_manager.filter(**{link.owner: key}).order_by("pk")
    return list(rows.values_list(link.other, flat=True))


def made(table: str, row: State) -> list[Any]:
    """What the effect of this row's making lists."""
    kind = KINDS[table]
    return [checksum(row["subject"], row["body"]) if name == TEXT else row[name] for name in kind.made]


def is_made_so(table: str, row: State, after: Sequence[Any]) -> bool:
    """Whether the row still is as the effect that made it says."""
    kind = KINDS[table]
    pairs = zip(kind.made, after, made(table, row), strict=True)
    return all(is_same(kind.model, name, said, now) for name, said, now in pairs)


def is_as(table: str, row: State, after: State) -> bool:
    """Whether these columns of the row are so."""
    return all(is_same(KINDS[table].model, name, said, row[name]) for name, said in after.items())


def is_same(model: Model, name: str, said: Any, now: Any) -> bool:
    """Whether two values mean the same in this column; of links the order means nothing."""
    if isinstance(said, list):
        return sorted(said) == sorted(now)
    if name != TEXT:
        field = bulk.field_of(model, name)
        said, now = _in_column(field, said), _in_column(field, now)
    return bool(said == now)


def _in_column(field: django_models.Field[Any, Any], plain: Any) -> Any:
    """A value of an effect's JSON as the column holds it."""
    if plain is None:
        return None
    if isinstance(field, django_models.DateTimeField):
        return bulk.aware(plain)
    return bulk.converter(field, "postgresql")(plain)


def change(table: str, key: str, columns: State) -> None:
    """Give columns of a row these values, and links these ends."""
    kind = KINDS[table]
    plain = {name: value for name, value in columns.items() if name not in kind.links}
    if plain:
        bulk.update(kind.model, *plain).run([[*_values(kind.model, plain), int(key)]])
    for name in columns.keys() - plain.keys():
        _unlink(kind.links[name], key)
        _link(kind.links[name], key, columns[name])


def _unlink(link: Links, key: str) -> None:
    column = bulk.field_of(link.model, link.owner).column
    bulk.execute(f'DELETE FROM "{link.model._meta.db_table}" WHERE "{column}" = %s', [int(key)])  # noqa: S608 (our own names)


def _link(link: Links, key: str, ends: Iterable[int]) -> None:
    other = cast("django_models.ForeignKey[Any, Any]", bulk.field_of(link.model, link.other))
    there = [end for end in ends if _is_there(other, end)]
    bulk.insert(link.model, link.owner, link.other).run((int(key), end) for end in there)


def delete(table: str, key: str) -> None:
    """Take a row out, with its links."""
    kind = KINDS[table]
    for link in kind.links.values():
        _unlink(link, key)
    bulk.execute(f'DELETE FROM "{kind.model._meta.db_table}" WHERE id = %s', [int(key)])  # noqa: S608 (our own names)


def insert(table: str, row: State) -> None:
    """Put back a row that ``read`` gave; a link, and a reference that may be empty, whose other end is gone is left out."""
    kind = KINDS[table]
    columns = {name: value for name, value in row.items() if name not in kind.links}
    for field in _references(kind.model):
        if field.null and not _is_there(field, columns[field.attname]):
            columns[field.attname] = None
    bulk.insert(kind.model, *columns).run([_values(kind.model, columns)])
    for name, link in kind.links.items():
        _link(link, row["id"], row[name])


def _values(model: Model, columns: State) -> list[Any]:
    return [_in_column(bulk.field_of(model, name), value) for name, value in columns.items()]


def has_place(table: str, row: State) -> bool:
    """Whether a row can be put back: its key and what must be unique are free, and what it can't be without is there."""
    kind = KINDS[table]
    taken = any(
        kind.model._default_manager.filter(**{name: row[name] for name in names}).exists()
        for names in _unique(kind.model)
        if None not in [row[name] for name in names]
    )
    return not taken and all(
        _is_there(field, row[field.attname]) for field in _references(kind.model) if not field.null
    )


def _unique(model: Model) -> Iterable[tuple[str, ...]]:
    """Columns that no two rows have alike, the key among them."""
    for field in model._meta.local_concrete_fields:
        if field.unique:
            yield (field.attname,)
    unique = (one for one in model._meta.constraints if isinstance(one, django_models.UniqueConstraint))
    yield from (tuple(bulk.field_of(model, name).attname for name in constraint.fields) for constraint in unique)


def _references(model: Model) -> list[django_models.ForeignKey[Any, Any]]:
    return [field for field in model._meta.local_concrete_fields if isinstance(field, django_models.ForeignKey)]


def _is_there(field: django_models.ForeignKey[Any, Any], key: Any) -> bool:
    return key is None or field.related_model._default_manager.filter(pk=key).exists()


def needed(table: str, key: str) -> State | None:
    """The columns of a row that refers to this one, its own links left out; None where there is none."""
    found = (field.model._default_manager.filter(**{field.attname: key}).values() for field in _referring(KINDS[table]))
    return next((row for rows in found if (row := rows.first()) is not None), None)


def _referring(kind: Kind) -> Iterable[django_models.ForeignKey[Any, Any]]:
    own = {link.model for link in kind.links.values()}
    for relation in kind.model._meta.get_fields(include_hidden=True):
        field = getattr(relation, "field", None)
        if relation.auto_created and isinstance(field, django_models.ForeignKey) and field.model not in own:
            yield field
