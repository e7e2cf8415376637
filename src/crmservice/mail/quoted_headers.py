"""The header block that clients write above quoted history: ``Od: … Odesláno: … Komu: … Předmět: …``.

The usual forms of Outlook, Gmail, Apple Mail, Thunderbird and Seznam, Czech and English, some of the neighbours'
languages besides; plain, in ``>`` quotes, in asterisks (bold text turned plain), with tabs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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


class Blocks:
    """The header blocks of a text, asked for by the line that they begin with.

    Asked line by line, it reads each line a handful of times, however many headers there are: behind a block that was
    refused it goes on at that block's next sender, date, recipients or subject, of which no block has two.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._headers: dict[int, tuple[Field, str] | None] = {}
        self._next = 0

    def at(self, start: int) -> Block | None:
        """The block that begins with the line ``start``, or None where the words may be the writer's own."""
        if start < self._next or self._header(start) is None:
            return None
        values, end, behind = self._read(start)
        if _is_a_clients(values):
            return Block(MappingProxyType(values), start, end)
        self._next = start + 1
        while self._next < behind and not self._may_begin(self._next):
            self._next += 1
        return None

    def announced(self, start: int) -> Block | None:
        """The block that begins with the line ``start``, below a line that says that there is one."""
        values, end, _behind = self._read(start)
        return Block(MappingProxyType(values), start, end) if _is_block(values) else None

    def _may_begin(self, at: int) -> bool:
        read = self._header(at)
        return read is not None and read[0] != "other"

    def _header(self, at: int) -> tuple[Field, str] | None:
        if at not in self._headers:
            line = self._lines[at]
            self._headers[at] = header_line(line) if ":" in line or "\uff1a" in line else None
        return self._headers[at]

    def _read(self, start: int) -> tuple[dict[Field, str], int, int]:
        """The fields that can be read from the line ``start`` on, where they end, and the first line not looked at."""
        values: dict[Field, str] = {}
        last: Field | None = None
        at, end, wrapped = start, start, ""
        stop = min(start + MAX_LINES, len(self._lines))
        while at < stop:
            read = self._header(at)
            if read and read[0] in values and read[0] != "other":
                break
            if read:
                if last and wrapped:
                    values[last] = f"{values[last]} {wrapped}"[:MAX_VALUE]
                last, value = read
                values[last], end, wrapped = value[:MAX_VALUE], at + 1, ""
            elif last is None or not self._goes_on(at, values[last] + wrapped):
                break
            else:
                wrapped = f"{wrapped} {unquoted(self._lines[at]).strip()}".strip()
                if values[last].endswith((",", ";")):
                    values[last], end, wrapped = f"{values[last]} {wrapped}"[:MAX_VALUE], at + 1, ""
            at += 1
        return values, end, at

    def _goes_on(self, at: int, value: str) -> bool:
        """Whether a line that is no header line can stand inside a block: a wrapped value, or one blank line."""
        if value.endswith((",", ";")):
            return bool(unquoted(self._lines[at]).strip())
        last = len(self._lines) - 1
        return (at < last and self._header(at + 1) is not None) or (at + 1 < last and self._header(at + 2) is not None)


def _is_block(values: Mapping[Field, str]) -> bool:
    """Whether it names the sender and two more fields: "From: Prague" alone is a sentence."""
    return "from" in values and len(values.keys() & _SAYING) >= 2


def _is_a_clients(values: Mapping[Field, str]) -> bool:
    """Whether a client wrote it, who names the sender's address, or the subject and the time to the minute.

    "Od: Praha, Komu: Brno, Datum: 5. 3." is an order for a lorry, "Od:, Komu:, Věc:" heads a letter.
    """
    if not _is_block(values):
        return False
    timed = "subject" in values and _TIME.search(values.get("sent", "")) is not None
    return timed or _ADDRESS.search(values["from"]) is not None


_SAYING: frozenset[Field] = frozenset(("sent", "to", "cc", "subject"))
_TIME = re.compile(r"\d:\d\d")
_ADDRESS = re.compile(r"[^\s@<>]@[^\s@<>]")
