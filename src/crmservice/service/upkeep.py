"""What an operator does with what is kept: each command is a function here, with the adapters that ``wiring`` chooses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from crmservice.config import Box
from crmservice.errors import BadConfiguration, CrmServiceError
from crmservice.service import wiring
from crmservice.service.at_source import AtSource
from crmservice.service.backing_up import BackUp, Made
from crmservice.service.verifying import Verified, differences
from crmservice.store import audit, ledger
from crmservice.store.audit import Broken, Entry
from crmservice.store.ledger import Told


def verify(
    home: Path, *, quick: bool, server: bool, told: Told, before: Mapping[str, Collection[str]] | None = None
) -> Verified:
    """Everything that is not as it was kept; with ``server`` the mailboxes are listed.

    ``before``: what waited in the mailboxes at the last look.
    """
    wiring.connect_to_read(home)
    found = wiring.configured(home)
    here = list(differences(wiring.raw_mail(found.settings), home, quick=quick, told=told))
    there = AtSource(before or {})
    for box in found.boxes if server else ():
        _look(there, box, home)
    messages = sum(counts.arrived for counts in ledger.by_box().values())
    return Verified(messages, (*here, *there.differences), tuple(there.away), there.waiting)


def _look(there: AtSource, box: Box, home: Path) -> None:
    try:
        there.look(box, wiring.sources(box, home))
    except CrmServiceError as fault:  # a source that can't even be made: its tlsCaFile
        there.away.append((box.name, fault.words))


def back_up(home: Path, target: Path | None, *, told: Told) -> Made:
    """Back the home up into ``target``, else into ``backup_to`` of its settings. Raises what ``BackUp.run`` raises."""
    found = wiring.configured(home)
    if (folder := target or found.settings.backup_to) is None:
        raise BadConfiguration("name the folder to back up into, or set backup_to in crmservice.toml")
    wiring.connect_to_read(home)
    work = BackUp(
        home, wiring.raw_mail(found.settings), folder.absolute(), found.settings.backup_keep, wiring.now, told
    )
    made = work.run()
    audit.append(wiring.AT_THE_MACHINE, "cli", "backup", str(made.folder), {"messages": made.messages})
    return made


def audit_entries(home: Path, limit: int) -> list[Entry]:
    """The newest rows of the audit log, newest first."""
    wiring.connect_to_read(home)
    return audit.entries(limit=limit)


def audit_broken(home: Path) -> list[Broken]:
    """Where the audit log is not as it was written."""
    wiring.connect_to_read(home)
    return list(audit.broken())
