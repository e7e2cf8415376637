"""What was erased, kept where a restored database can't lose it: a file of the home that only grows.

``.crmservice/erasures`` has one JSON object a line. ``erased``: the HMAC of an address, so that mail of it which an older
backup still holds is found again; ``gone``: mails that were removed whole; ``dropped``: backups that went by their age, all else
stays; ``reduced``: mails of which the headers alone stay; ``replaced``: mails in which an address was blacked out (path -> the
checksum since then); ``done``: all above it was carried out. No line names anybody. Each backup takes the file along, and a restore reads that of the home that it replaces.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from crmservice.backup.directory import BINARY
from crmservice.store import bulk, database, keys

KEY = "erasure"
PSEUDONYM = "hmac:"
"""Before an address's HMAC where an address would stand."""


@dataclass(slots=True)
class Erased:
    """Everything that a list says. ``addresses``: HMAC -> when it was erased last; the others name paths."""

    addresses: dict[str, datetime] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    reduced: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)


def digests() -> Callable[[str], str]:
    """Gives the HMAC of an address, in hex: the same for each spelling of it in capitals. Raises OSError without a key."""
    key = keys.secret(KEY)
    return lambda address: hmac.new(key, address.strip().lower().encode(), "sha256").hexdigest()


def digest(address: str) -> str:
    """The HMAC of one address."""
    return digests()(address)


def file(home: Path | None = None) -> Path:
    """Where the list of a home is; None: the one in use."""
    return (database.home() if home is None else home) / database.PRIVATE / "erasures"


def note(what: str, **facts: Any) -> None:
    """Add a line, durable when this returns. Raises OSError."""
    append(file(), [json.dumps({"what": what, "at": bulk.now().isoformat(), **facts})])


def append(place: Path, lines: Iterable[str]) -> None:
    """Add lines to a list, durable when this returns; what a torn line left gets an end first. Raises OSError."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def lines(place: Path) -> list[str]:
    """The whole lines of a list; none where there is no such file. Raises OSError."""
    try:
        text = place.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.split("\n") if _object(line) is not None]


def merge(into: Path, *others: Path) -> None:
    """Add the lines that other lists have and this one lacks. Raises OSError."""
    there = dict.fromkeys(lines(into))
    missing = dict.fromkeys(line for other in others for line in lines(other) if line not in there)
    if missing:
        append(into, missing)


def read(place: Path) -> Erased:
    """What a list says. Raises OSError."""
    return _erased(filter(None, map(_object, lines(place))))


def unfinished(place: Path) -> Erased:
    """What a list says behind its last ``done``: a run that noted it was cut short. Raises OSError."""
    said = list(filter(None, map(_object, lines(place))))
    last = max((n for n, one in enumerate(said) if one.get("what") == "done"), default=-1)
    return _erased(said[last + 1 :])


def _erased(said: Iterable[Mapping[str, Any]]) -> Erased:
    found = Erased()
    for one in said:
        _take(found, one)
    return found


def _take(found: Erased, said: Mapping[str, Any]) -> None:
    what = said.get("what")
    if what == "erased":
        at = datetime.fromisoformat(said["at"])
        found.addresses[said["digest"]] = max(at, found.addresses.get(said["digest"], at))
    elif what in ("gone", "dropped"):
        getattr(found, what).update(said["paths"])
    elif what in ("reduced", "replaced"):
        getattr(found, what).update(said["files"])


def _object(line: str) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def pseudonym(address: str) -> str:
    """What stands for an address where nobody may read it: nobody finds the address by it without the home's key."""
    return f"{PSEUDONYM}{digest(address)}"


def pseudonyms(addresses: Iterable[str]) -> dict[str, str]:
    """Pseudonym -> address; nothing where nobody was ever erased here (there is no key)."""
    if not keys.known(KEY):
        return {}
    digest_of = digests()
    return {f"{PSEUDONYM}{digest_of(address)}": address for address in addresses}
