"""Texts as a database takes them, and small JSON."""

from __future__ import annotations

import json
import re
from typing import Any

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def storable(text: str) -> str:
    """The text with NUL and lone surrogates as U+FFFD: PostgreSQL refuses the one, UTF-8 the other."""
    if "\0" in text:
        return _REFUSED.sub("\ufffd", text)
    if text.isascii():
        return text
    try:
        # Much faster than a search; nearly every text passes.
        text.encode()
    except UnicodeEncodeError:
        return _REFUSED.sub("\ufffd", text)
    return text


def compact(value: Any) -> str:
    """A value as JSON without spaces, as a database takes it; what JSON does not know becomes a text."""
    return storable(_encode(value))
