"""What was erased, kept where a restored database can't lose it: a file of the home that only grows.

``.crmservice/erasures`` has one JSON object a line. ``erased``: the HMAC of an address, so that mail of it which an older
backup still holds is found again; ``gone``: mails that were removed whole; ``dropped``: backups that went by their age, all else
stays; ``reduced``: mails of which the headers alone stay; ``replaced``: mails in which an address was blacked out (path -> the
checksum since then); ``done``: all above it was carried out. No line names anybody. Each backup takes the file along, and a restore reads that of the home that it replaces.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from crmservice.store import bulk, database, journal, keys

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
    journal.append(file(), [{"what": what, "at": bulk.now().isoformat(), **facts}])


def read(*places: Path) -> Erased:
    """What lists say together. Raises OSError."""
    return _erased(journal.read(*places))


def unfinished(place: Path) -> Erased:
    """What a list says behind its last ``done``: a run that noted it was cut short. Raises OSError."""
    said = journal.read(place)
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


def pseudonym(address: str) -> str:
    """What stands for an address where nobody may read it: nobody finds the address by it without the home's key."""
    return f"{PSEUDONYM}{digest(address)}"


def pseudonyms(addresses: Iterable[str]) -> dict[str, str]:
    """Pseudonym -> address; nothing where nobody was ever erased here (there is no key)."""
    if not keys.known(KEY):
        return {}
    digest_of = digests()
    return {f"{PSEUDONYM}{digest_of(address)}": address for address in addresses}
