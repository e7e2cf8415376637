"""A box's XML file -> its ``add`` elements with their lines (manual chapter 7). The only reader of XML."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from crmservice.config.values import Fault

MAX_FILE_BYTES = 1024 * 1024
_PLACE = ["configuration", "appSettings"]


class Entry(NamedTuple):
    """``<add key="…" value="…"/>``; surrounding white space dropped, ``line`` counts from 1."""

    key: str
    value: str
    line: int


class _Refused(Exception):
    """The document holds what no configuration needs; the text says what."""


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
        msg = "a DOCTYPE is not allowed"
        raise _Refused(msg)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._open == _PLACE:
            self._element(name, attributes)
        self._open.append(name)
        self.found = self.found or self._open == _PLACE

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        if name != "add" or not attributes.get("key") or "value" not in attributes:
            message = f'<{name}> is not of the form <add key="…" value="…" />'
            self.faults.append(Fault(self.file, self.line, attributes.get("key", ""), message))
            return
        self.entries.append(Entry(attributes["key"].strip(), attributes["value"].strip(), self.line))


def read_entries(file: Path) -> tuple[list[Entry], list[Fault]]:
    """The entries of a box's file in their order, and its faults; never raises."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return [], [Fault(file, 0, "", f"can't be read: {error.strerror}", "check the file's owner and mode")]
    if len(data) > MAX_FILE_BYTES:
        return [], [Fault(file, 0, "", "is larger than 1 MB", "a box's file is a few lines of XML")]
    return _entries_of(data, file)


def _entries_of(data: bytes, file: Path) -> tuple[list[Entry], list[Fault]]:
    reader = _Reader(file)
    try:
        reader.read(data)
    except _Refused as error:
        return [], [Fault(file, reader.line, "", str(error), "remove it: a box's file needs none")]
    except expat.ExpatError as error:
        problem = expat.ErrorString(error.code)
        return [], [Fault(file, error.lineno, "", f"is not well-formed XML: {problem}", "mend the XML at this line")]
    except (LookupError, ValueError):
        return [], [Fault(file, 1, "", "its encoding is unknown", 'save it as UTF-8 and write encoding="utf-8"')]
    if not reader.found:
        message = "has no <configuration><appSettings>"
        reader.faults.append(Fault(file, 1, "", message, "each *.xml of the home folder is one technology box"))
    return reader.entries, reader.faults
