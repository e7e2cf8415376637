"""The header block that clients write above quoted history: ``Od: … Odesláno: … Komu: … Předmět: …``.

The usual forms of Outlook, Gmail, Apple Mail, Thunderbird and Seznam, Czech and English, some of the neighbours'
languages besides; plain, in ``>`` quotes, in asterisks (bold text turned plain), with tabs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from crmservice.mail.text import fold

Field = Literal["from", "sent", "to", "cc", "subject", "other"]

_NAMES: dict[Field, tuple[str, ...]] = {
    "from": ("From", "Od", "Odesílatel", "Odosielateľ", "Von", "De", "Da", "Van"),
    "sent": ("Sent", "Date", "Odesláno", "Posláno", "Datum", "Dátum", "Odoslané", "Gesendet", "Envoyé", "Inviato"),
    "to": ("To", "Komu", "Pro", "Příjemce", "An", "Aan"),
    "cc": ("Cc", "Kopie", "Kópia", "Bcc", "Skrytá kopie"),
    "subject": ("Subject", "Předmět", "Predmet", "Věc", "Betreff", "Objet", "Oggetto", "Onderwerp"),
    "other": ("Reply-To", "Odpovědět komu", "Importance", "Důležitost", "Priority", "Priorita", "Attachments", "Přílohy",
              "Organization", "Organizace", "Sensitivity", "Utajení"),
}  # fmt: skip
_FIELDS: dict[str, Field] = {fold(name): field for field, names in _NAMES.items() for name in names}

_LINE = re.compile(r"[\s>*|\ufeff]{0,40}([^\W\d_][^:：\n]{0,20})[:：]\**[^\S\n]*(.*)", re.DOTALL)
_QUOTE = re.compile(r"^(?:[^\S\n]{0,3}>)+[^\S\n]?")
MAX_LINES = 30
"""Lines that one block may take: long lists of recipients are wrapped."""

MAX_VALUE = 2_000


@dataclass(frozen=True, slots=True)
class Block:
    """A quoted header block: its fields' values as written, and the lines it takes (end exclusive)."""

    fields: MappingProxyType[Field, str]
    start: int
    end: int


def header_line(line: str) -> tuple[Field, str] | None:
    """Field and value, if the line is one of a quoted header block."""
    match = _LINE.match(line)
    field = _FIELDS.get(fold(match[1].strip("* \t"))) if match else None
    return (field, match[2].strip().strip("*").strip()) if match and field else None


def unquoted(line: str) -> str:
    """The line without the ``>`` in front of it."""
    return _QUOTE.sub("", line)


def read_block(lines: Sequence[str], start: int) -> Block | None:
    """The block that begins with the line ``start``, or None.

    It must name the sender and two more fields: "From: Prague" alone is a sentence.
    """
    values: dict[Field, str] = {}
    last: Field | None = None
    end, wrapped = start, ""
    for at in range(start, min(start + MAX_LINES, len(lines))):
        read = header_line(lines[at])
        if read and read[0] in values and read[0] != "other":
            break
        if read:
            if last and wrapped:
                values[last] = f"{values[last]} {wrapped}"[:MAX_VALUE]
            last, value = read
            values[last], end, wrapped = value[:MAX_VALUE], at + 1, ""
        elif last is None or not _goes_on(lines, at, values[last] + wrapped):
            break
        else:
            wrapped = f"{wrapped} {unquoted(lines[at]).strip()}".strip()
            if values[last].endswith((",", ";")):
                values[last], end, wrapped = f"{values[last]} {wrapped}"[:MAX_VALUE], at + 1, ""
    return Block(MappingProxyType(values), start, end) if _is_block(values) else None


def _goes_on(lines: Sequence[str], at: int, value: str) -> bool:
    """Whether a line that is no header line can stand inside a block: a wrapped value, or one blank line."""
    if value.endswith((",", ";")):
        return bool(unquoted(lines[at]).strip())
    following = lines[at + 1 : at + 3]
    return any(header_line(line) for line in following)


def _is_block(values: dict[Field, str]) -> bool:
    return "from" in values and len(values.keys() & {"sent", "to", "cc", "subject"}) >= 2
