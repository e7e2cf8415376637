"""A file of the home that only grows, one JSON object a line: what must not be lost with the database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crmservice.backup.directory import BINARY, HERE


def append(place: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Add objects, durable when this returns; a torn line before them gets an end first. Raises OSError."""
    _append(place, map(json.dumps, objects))


def read(*places: Path) -> list[dict[str, Any]]:
    """The objects of these files, each once, in the files' order; a torn line is none. Raises OSError."""
    lines = dict.fromkeys(line for place in places for line in _lines(place))
    return [json.loads(line) for line in lines]


def merge(into: Path, *others: Path) -> None:
    """Add what other files have and this one lacks. Raises OSError."""
    there = set(_lines(into))
    missing = dict.fromkeys(line for other in others for line in _lines(other) if line not in there)
    if missing:
        _append(into, missing)


def rewrite(place: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Put a file of these objects alone in its place, durable when this returns. Raises OSError."""
    fresh = place.with_name(f"{place.name}.new")
    fresh.unlink(missing_ok=True)
    append(fresh, objects)
    fresh.replace(place)
    _sync(place.parent)


def _append(place: Path, lines: Iterable[str]) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = not place.exists()
    text = "".join(f"{line}\n" for line in lines)
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o600)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        torn = end > 0 and os.lseek(descriptor, end - 1, os.SEEK_SET) >= 0 and os.read(descriptor, 1) != b"\n"
        rest = memoryview(("\n" + text if torn else text).encode())
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        _sync(place.parent)


def _sync(folder: Path) -> None:
    with HERE(folder) as directory:
        directory.sync()


def _lines(place: Path) -> list[str]:
    try:
        text = place.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.split("\n") if _is_object(line)]


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
