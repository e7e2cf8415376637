"""Addresses in the logs become pseudonyms, in place: other processes go on appending meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from crmservice.mail.mentions import in_text
from crmservice.service.log import JSON_NAME, NAME

_SUBJECT = re.compile(
    r"""(?P<text>(?<= )(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?= [A-Z]))|(?P<json>(?<="subject": )"(?:[^"\\]|\\.)*")"""
)


def lines_with(home: Path, wanted: Callable[[str], bool]) -> int:
    """How many lines of the logs name one of these. Raises OSError."""
    return sum(1 for file in _logs(home) for line in _lines(file) if any(map(wanted, in_text(line.decode("latin-1")))))


def without(home: Path, wanted: Callable[[str], bool], pseudonym: Callable[[str], str]) -> int:
    """Write the pseudonym, as long as the address was, in its place, and dots for the subject beside it. Raises OSError.

    Returns how many lines changed. Of the same length, because a log that is written anew would lose the lines that
    come meanwhile.
    """
    return sum(_rewrite(file, wanted, pseudonym) for file in _logs(home))


def _logs(home: Path) -> list[Path]:
    return sorted(file for name in (NAME, JSON_NAME) for file in home.glob(f"{name}*") if file.is_file())


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from stream


def _rewrite(file: Path, wanted: Callable[[str], bool], pseudonym: Callable[[str], str]) -> int:
    changed, at = 0, 0
    with file.open("r+b", buffering=0) as stream:
        for line in file.read_bytes().splitlines(keepends=True):
            fresh = _line(line.decode("latin-1"), wanted, pseudonym).encode("latin-1")
            if fresh != line:
                stream.seek(at)
                stream.write(fresh)
                changed += 1
            at += len(line)
    return changed


def _line(line: str, wanted: Callable[[str], bool], pseudonym: Callable[[str], str]) -> str:
    found = sorted({address for address in in_text(line) if wanted(address)}, key=len, reverse=True)
    for address in found:
        for spelling in (address, address.replace("@", "%40")):
            instead = pseudonym(address)[: len(spelling)].ljust(len(spelling), "-")
            line = re.sub(rf"(?<![A-Za-z0-9]){re.escape(spelling)}(?![A-Za-z0-9-])", instead, line, flags=re.IGNORECASE)
    return _SUBJECT.sub(_dots, line) if found else line


def _dots(found: re.Match[str]) -> str:
    text = found[0]
    return text[0] + "." * (len(text) - 2) + text[-1]
