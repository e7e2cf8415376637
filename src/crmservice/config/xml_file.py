"""A box's XML file -> its ``add`` elements with their lines (manual chapter 7). The only reader of XML."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from crmservice.config.values import Fault
from crmservice.config.wording import AT_THIS_LINE, CHECK_OWNER, unreadable
from crmservice.words import Words, library_words

MAX_FILE_BYTES = 1024 * 1024
_PLACE = ["configuration", "appSettings"]


class Entry(NamedTuple):
    """``<add key="…" value="…"/>``; surrounding white space dropped, ``line`` counts from 1."""

    key: str
    value: str
    line: int


class _Refused(Exception):
    """The document holds a DOCTYPE, which no configuration needs."""


class _Reader:
    """Collects the entries and what is wrong about their elements."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self.found = False
        self._open: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        # Called at the declaration's name, before any entity of it exists (TRUST M17, B22).
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, data: bytes) -> None:
        """Read the document. Raises expat.ExpatError and _Refused."""
        self._parser.Parse(data, True)

    @property
    def line(self) -> int:
        """Where the parser is."""
        return self._parser.CurrentLineNumber

    def _doctype(self, *_declaration: object) -> None:
        raise _Refused

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._open == _PLACE:
            self._element(name, attributes)
        self._open.append(name)
        self.found = self.found or self._open == _PLACE

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        if name != "add" or not attributes.get("key") or "value" not in attributes:
            message = Words('<{name}> is not of the form <add key="…" value="…" />', name=name)
            self.faults.append(Fault(self.file, self.line, attributes.get("key", ""), message))
            return
        self.entries.append(Entry(attributes["key"].strip(), attributes["value"].strip(), self.line))


def read_entries(file: Path) -> tuple[list[Entry], list[Fault]]:
    """The entries of a box's file in their order, and its faults; never raises."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return [], [Fault(file, 0, "", unreadable(error), CHECK_OWNER)]
    if len(data) > MAX_FILE_BYTES:
        return [], [Fault(file, 0, "", Words("is larger than 1 MB"), Words("a box's file is a few lines of XML"))]
    return _entries_of(data, file)


def _entries_of(data: bytes, file: Path) -> tuple[list[Entry], list[Fault]]:
    reader = _Reader(file)
    try:
        reader.read(data)
    except _Refused:
        message, advice = Words("a DOCTYPE is not allowed"), Words("remove it: a box's file needs none")
        return [], [Fault(file, reader.line, "", message, advice)]
    except expat.ExpatError as error:
        message = Words("is not well-formed XML: {why}", why=library_words(expat.ErrorString(error.code)))
        return [], [Fault(file, error.lineno, "", message, AT_THIS_LINE)]
    except (LookupError, ValueError):
        advice = Words('save it as UTF-8 and write encoding="utf-8"')
        return [], [Fault(file, 1, "", Words("its encoding is unknown"), advice)]
    if not reader.found:
        message = Words("has no <configuration><appSettings>")
        advice = Words("each *.xml of the home folder is one technology box")
        reader.faults.append(Fault(file, 1, "", message, advice))
    return reader.entries, reader.faults
