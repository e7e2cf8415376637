"""Verify: everything that is kept is still as it was kept (SPEC 13.1, TRUST.md E11).

Nothing is changed and nothing removed: a file that no row names may be the last copy of a mail (an older database was
restored); ``restore`` takes such files in as new arrivals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crmservice.backup import RawMail
from crmservice.backup.in_flight import arriving
from crmservice.store import audit, integrity, ledger
from crmservice.store.ledger import Difference, Told
from crmservice.words import Words


@dataclass(frozen=True, slots=True)
class Verified:
    """What verify found. ``away``: mailboxes that could not be listed; ``waiting``: see ``at_source``."""

    messages: int
    differences: tuple[Difference, ...]
    away: tuple[tuple[str, Words], ...] = ()
    waiting: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What ``verify --json`` prints."""
        return {
            "messages": self.messages,
            "differences": [{"kind": one.kind, "about": one.about, "what": str(one.what)} for one in self.differences],
            "away": [{"place": place, "why": str(why)} for place, why in self.away],
        }


def account(raw: RawMail, home: Path, *, quick: bool = False, told: Told | None = None) -> dict[str, Any]:
    """What ``ledger`` prints: counts by box, and every difference as Words (SPEC chapter 14)."""
    boxes = ledger.by_box()
    found = [*ledger.sums(boxes), *_files(raw, home, quick=quick, told=told)]
    counts = {name: asdict(one) for name, one in boxes.items()}
    return {"boxes": counts, "differences": [difference.words for difference in found]}


def differences(raw: RawMail, home: Path, *, quick: bool = False, told: Told | None = None) -> Iterator[Difference]:
    """Everything here that is not as it was kept: database, audit log, sums, files and rows."""
    yield from integrity.faults(quick=quick)
    for broken in audit.broken():
        yield Difference("audit", str(broken.id), broken.why)
    yield from ledger.sums(ledger.by_box())
    yield from _files(raw, home, quick=quick, told=told)


def _files(raw: RawMail, home: Path, *, quick: bool, told: Told | None) -> Iterator[Difference]:
    return ledger.differences(raw, quick=quick, arriving=lambda: arriving(home), told=told)
