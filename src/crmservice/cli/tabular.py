"""Reading the tables of a file to load: JSON as it is, CSV and XLSX with a header row.

A cell with several values separates them by a semicolon; an empty cell leaves the field out.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from crmservice.errors import BadConfiguration

LISTS = frozenset({"emails", "aliases", "team", "solvers", "accounts", "contacts", "participants"})
TRUE, FALSE = frozenset({"true", "yes", "1", "ano"}), frozenset({"false", "no", "0", "ne"})

Tables = dict[str, Any]


def read_tables(file: Path, table: str = "") -> Tables:
    """The tables of a file. Raises BadConfiguration, saying what is wrong with it and where."""
    try:
        kind = file.suffix.lower()
        if kind == ".csv":
            return {table or file.stem: _csv(file)}
        return _xlsx(file) if kind == ".xlsx" else _json(file)
    except FileNotFoundError:
        raise BadConfiguration(f"{file} does not exist") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise BadConfiguration(f"{file} can't be read: {fault}") from None


def _json(file: Path) -> Tables:
    try:
        tables = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as fault:
        raise BadConfiguration(f"{file} is no JSON: line {fault.lineno}, column {fault.colno}: {fault.msg}") from None
    if not isinstance(tables, dict):
        raise BadConfiguration(f"{file} must hold one object with a list for each table")
    return tables


def _csv(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        text = stream.read()
    first = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(keepends=True), delimiter=";" if first.count(";") > first.count(",") else ",")
    return _records(list(rows))


def _xlsx(file: Path) -> Tables:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise BadConfiguration("XLSX needs the extra: pip install 'crmservice[xlsx]'") from None
    book = load_workbook(file, read_only=True, data_only=True)
    sheets = {sheet.title: _records([list(row) for row in sheet.iter_rows(values_only=True)]) for sheet in book}
    return {name: rows for name, rows in sheets.items() if rows}


def _records(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    if not rows:
        return []
    names = [str(name or "").strip() for name in rows[0]]
    return [record for row in rows[1:] if (record := _record(names, row))]


def _record(names: Iterable[str], row: Sequence[Any]) -> dict[str, Any]:
    cells = zip(names, row, strict=False)
    return {name: _value(name, cell) for name, cell in cells if name and cell is not None and str(cell).strip()}


def _value(name: str, cell: Any) -> Any:
    text = str(cell).strip()
    if name in LISTS:
        return [part.strip() for part in text.split(";") if part.strip()]
    if name.startswith("allow_") or name in {"active", "admin", "email_broken", "all_day", "deleted"}:
        return True if text.lower() in TRUE else False if text.lower() in FALSE else text
    return text
