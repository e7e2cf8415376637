"""What a JSON Schema says of a value: the keywords that docs/*.schema.json use, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.documentation.pages import ROOT

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
KNOWN = {
    "$schema", "title", "description", "type", "properties", "required", "additionalProperties", "items", "enum", "anyOf",
    "pattern", "minimum", "format",
}  # fmt: skip


def schema(name: str) -> Any:
    """docs/NAME.schema.json."""
    return json.loads((ROOT / "docs" / f"{name}.schema.json").read_text("utf-8"))


def faults(wanted: Any, value: Any, at: str = "$") -> Iterator[str]:
    """Where a value is not what the schema says (draft 2020-12)."""
    if wanted is False:
        yield f"{at}: is not allowed"
    if isinstance(wanted, bool):
        return
    assert set(wanted) <= KNOWN, set(wanted) - KNOWN
    if "anyOf" in wanted and all(list(faults(one, value, at)) for one in wanted["anyOf"]):
        yield f"{at}: fits none of anyOf"
    kinds = wanted.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{at}: {value!r} is none of {kinds}"
    if "enum" in wanted and value not in wanted["enum"]:
        yield f"{at}: {value!r} is none of {wanted['enum']}"
    yield from _of_text(wanted, value, at)
    if isinstance(value, dict):
        yield from _of_object(wanted, value, at)
    if isinstance(value, list) and "items" in wanted:
        for n, one in enumerate(value):
            yield from faults(wanted["items"], one, f"{at}[{n}]")
    if isinstance(value, int) and value < wanted.get("minimum", value):
        yield f"{at}: {value} is too small"


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))


def _of_text(wanted: Any, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if "pattern" in wanted and not re.search(wanted["pattern"], value):
        yield f"{at}: {value!r} does not match"
    if wanted.get("format") == "date-time" and datetime.fromisoformat(value).utcoffset() is None:
        yield f"{at}: {value!r} has no offset"


def _of_object(wanted: Any, value: dict[str, Any], at: str) -> Iterator[str]:
    known = wanted.get("properties", {})
    yield from (f"{at}: {name} is missing" for name in wanted.get("required", ()) if name not in value)
    for name, one in value.items():
        yield from faults(known.get(name, wanted.get("additionalProperties", True)), one, f"{at}.{name}")
