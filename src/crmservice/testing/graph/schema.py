"""What Graph's resources look like, by Microsoft's own description (``slice.schema.json``; MIT, see ``slice.LICENSE``)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SLICE = Path(__file__).with_name("slice.schema.json")


def violations(name: str, found: object) -> list[str]:
    """What of this object is not as the definition says. Needs the package jsonschema (extra ``testing``)."""
    return [f"{name} {error.json_path}: {error.message[:200]}" for error in _validator(name).iter_errors(found)]


@cache
def _slice() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SLICE.read_text(encoding="utf-8"))
    return found


@cache
def _validator(name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _slice()["$defs"]})
