"""Reading the tables of a file to load: JSON as it is, CSV and XLSX with a header row.

A cell with several values separates them by a semicolon, addresses and logins by a comma as well; an empty cell leaves
the field out.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from crmservice.errors import BadConfiguration
from crmservice.words import library_words, system_words

NAMES = frozenset({"accounts", "contacts"})
"""Lists of names, in which a comma separates nothing ("Novák, s.r.o.")."""

LISTS = frozenset({"emails", "aliases", "never_file", "team", "solvers", "participants"})
"""Lists of addresses and logins."""

TRUE, FALSE = frozenset({"true", "yes", "1", "ano"}), frozenset({"false", "no", "0", "ne"})

TIMES = frozenset({"sent", "due", "completed", "starts", "ends"})
_CZECH_DATE = re.compile(r"(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})(?: (\d{1,2}:\d{2}(?::\d{2})?))?")

Tables = dict[str, Any]


def read_tables(file: Path, table: str = "") -> Tables:
    """The tables of a file. Raises BadConfiguration, saying what is wrong with it and where."""
    try:
        kind = file.suffix.lower()
        if kind == ".csv":
            return {table or file.stem: _csv(file)}
        return _xlsx(file) if kind == ".xlsx" else _json(file)
    except FileNotFoundError:
        raise BadConfiguration("{file} does not exist", file=file) from None
    except (OSError, UnicodeDecodeError) as fault:
        why = system_words(fault) if isinstance(fault, OSError) else library_words(str(fault))
        raise BadConfiguration("{file} can't be read: {why}", file=file, why=why) from None


def _json(file: Path) -> Tables:
    try:
        tables = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as fault:
        raise BadConfiguration(
            "{file} is no JSON: line {line}, column {column}: {why}",
            file=file,
            line=fault.lineno,
            column=fault.colno,
            why=library_words(fault.msg),
        ) from None
    if not isinstance(tables, dict):
        raise BadConfiguration("{file} must hold one object with a list for each table", file=file)
    return tables


def _csv(file: Path) -> list[dict[str, Any]]:
    text = _text(file.read_bytes())
    first = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(keepends=True), delimiter=";" if first.count(";") > first.count(",") else ",")
    return _records(list(rows))


def _text(raw: bytes) -> str:
    """Excel in Czech saves CSV as windows-1250 unless told otherwise."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("windows-1250", "replace")


def _xlsx(file: Path) -> Tables:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise BadConfiguration("XLSX needs the extra: pip install 'crmservice[xlsx]'") from None
    try:
        book = load_workbook(file, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError) as fault:
        raise BadConfiguration("{file} can't be read: {why}", file=file, why=fault) from None
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
    if name in TIMES and not isinstance(cell, str):
        return cell  # a date of XLSX
    text = _number(cell) if isinstance(cell, float) else str(cell).strip()
    if name in TIMES:
        return _czech_date(text)
    if name in LISTS or name in NAMES:
        return [part.strip() for part in re.split("[;,]" if name in LISTS else ";", text) if part.strip()]
    if name.startswith("allow_") or name in {"active", "admin", "email_broken", "all_day", "deleted", "skip"}:
        return True if text.lower() in TRUE else False if text.lower() in FALSE else text
    return text


def _number(cell: float) -> str:
    """XLSX keeps the number 77 as 77.0."""
    return str(int(cell)) if cell.is_integer() else str(cell)


def _czech_date(text: str) -> str:
    """``2. 3. 2026 8:15`` as ISO 8601; anything else as it is."""
    found = _CZECH_DATE.fullmatch(text)
    if found is None:
        return text
    day, month, year, time = found.groups()
    return f"{year}-{month:0>2}-{day:0>2}" + (f"T{time:0>5}" if time else "")
