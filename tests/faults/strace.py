"""Reading what ``strace -f -y`` wrote (strace(1)): a call a line, or in two halves where processes took turns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CALLS = "fsync,fdatasync,rename,renameat,renameat2,write,pwrite64,sendto,recvfrom"

_LINE = re.compile(r"(\d+)\s+(.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\)\s+=\s+(-?\d+)[^)]*(?:\(.*\))?$", re.DOTALL)
_FILE = re.compile(r"-?\w+<([^>]*)>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True)
class Call:
    """A system call that ended. ``files`` are the paths (or sockets) of its descriptors, in their order."""

    name: str
    files: tuple[str, ...]
    texts: tuple[str, ...]
    """Strings as strace writes them: a line's end is the four characters ``\\r\\n``."""
    result: int


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """The calls of a trace in the order in which they ended; signals and exits are no calls."""
    begun: dict[str, str] = {}
    for line in lines:
        if (found := _LINE.match(line.rstrip("\n"))) is None:
            continue
        process, text = found.groups()
        if text.endswith(_UNFINISHED):
            begun[process] = text.removesuffix(_UNFINISHED)
            continue
        if (rest := _RESUMED.match(text)) is not None:
            text = begun.pop(process, "") + rest[1]
        if (call := _CALL.match(text)) is not None:
            yield _call(call[1], call[2], int(call[3]))


def _call(name: str, arguments: str, result: int) -> Call:
    outside = _TEXT.sub('""', arguments)
    return Call(name, tuple(_FILE.findall(outside)), tuple(_TEXT.findall(arguments)), result)
