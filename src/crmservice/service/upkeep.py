"""What an operator does with what is kept: each command is a function here, with the adapters that ``wiring`` chooses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from crmservice.backup import RawMail
from crmservice.config import Box, Settings, parse
from crmservice.errors import BadConfiguration, BadValue, CrmServiceError
from crmservice.service import wiring
from crmservice.service.at_source import AtSource
from crmservice.service.backing_up import BackUp, Made, snapshots, tell
from crmservice.service.erasing import Done, Erasing, Plan
from crmservice.service.looking_back import Listed, LookBack, entries_of
from crmservice.service.restoring import Restore, Restored
from crmservice.service.verifying import Verified, differences
from crmservice.store import audit, ledger
from crmservice.store import holds as store_holds
from crmservice.store import never_file as store_never_file
from crmservice.store.audit import Broken, Entry
from crmservice.store.gateway import StoreGateway
from crmservice.store.holds import Held
from crmservice.store.ledger import Told
from crmservice.store.undo import By


def verify(
    home: Path, *, quick: bool, server: bool, told: Told, before: Mapping[str, Collection[str]] | None = None
) -> Verified:
    """Everything that is not as it was kept; with ``server`` the mailboxes are listed.

    ``before``: what waited in the mailboxes at the last look.
    """
    wiring.connect_to_read(home)
    found = wiring.configured(home)
    raw = wiring.raw_mail(found.settings)
    return verified(raw, home, found.boxes, quick=quick, server=server, told=told, before=before)


def verified(
    raw: RawMail,
    home: Path,
    boxes: Iterable[Box],
    *,
    quick: bool,
    server: bool,
    told: Told,
    before: Mapping[str, Collection[str]] | None = None,
) -> Verified:
    """The same in a store that is connected."""
    here = list(differences(raw, home, quick=quick, told=told))
    there = at_servers(boxes if server else (), home, before or {})
    messages = sum(counts.arrived for counts in ledger.by_box().values())
    return Verified(messages, (*here, *there.differences), tuple(there.away), there.waiting)


def at_servers(boxes: Iterable[Box], home: Path, before: Mapping[str, Collection[str]]) -> AtSource:
    """What lies in the mailboxes of these boxes. ``before``: what waited there at the last look."""
    there = AtSource(before)
    for box in boxes:
        _look(there, box, home)
    return there


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
    return backed_up(found.settings, folder.absolute(), wiring.AT_THE_MACHINE, "cli", told)


def backed_up(
    settings: Settings, target: Path, by: str, source: str, told: Told, stopping: Callable[[], bool] = lambda: False
) -> Made:
    """The same in a store that is connected; in the audit log as ``by`` and ``source`` say."""
    raw = wiring.raw_mail(settings)
    made = BackUp(settings.home, raw, target, settings.backup_keep, wiring.now, told, stopping).run()
    audit.append(by, source, "backup", str(made.folder), {"messages": made.messages})
    return made


def restore(source: Path, home: Path, *, force: bool, told: Told) -> Restored:
    """Restore a home from a backup. Raises what ``Restore.run`` raises."""
    return Restore(source.absolute(), home.absolute(), force, wiring.now, told).run()


def erase(home: Path, address: str, *, yes: bool, whole: bool, told: Told) -> tuple[Plan, Done | None]:
    """What erasing this address means; done where ``yes``. Raises what ``Erasing`` raises."""
    wiring.connect_to_read(home)
    found = wiring.configured(home)
    kept = found.settings.backup_to
    work = Erasing(home, wiring.raw_mail(found.settings), found.boxes, wiring.now, _backups(kept), whole, told, kept)
    plan = work.plan(address)
    return plan, work.carry_out(plan, wiring.AT_THE_MACHINE, "cli") if yes else None


def _backups(kept: Path | None) -> list[str]:
    try:
        return [folder.name for folder in snapshots(kept)] if kept else []
    except OSError:  # the folder is away, which stops no erasure
        return []


def look_back(home: Path, *, yes: bool, told: Told) -> tuple[Listed, Listed | None]:
    """What the entries of ``neverFile`` mean for what is kept; done where ``yes``. Raises what ``LookBack`` raises."""
    wiring.connect_to_read(home)
    found = wiring.configured(home)
    boxes = {box.name: box for box in found.boxes}
    pipeline = wiring.pipeline(found.settings, StoreGateway())
    work = LookBack(wiring.raw_mail(found.settings), boxes, pipeline, wiring.now, told)
    plan = work.plan(By())
    done = work.carry_out(plan, By()) if yes else None
    if done is not None:  # a folder that is away is told by the next backup
        _told_backups(home)
    return plan, done


def never_file(home: Path, login: str, address: str) -> None:
    """Never file mail of an address or domain for a user. Raises BadConfiguration, or NoSuchUser."""
    address = _address_or_domain(address)
    wiring.connect_to_read(home)
    store_never_file.add(login, address, wiring.AT_THE_MACHINE, "cli")


def file_again(home: Path, login: str, address: str) -> bool:
    """File it for him again, from now on; False where it did not stand there. Raises NoSuchUser."""
    wiring.connect_to_read(home)
    return store_never_file.remove(login, address.lower(), wiring.AT_THE_MACHINE, "cli")


def never_filed(home: Path) -> list[tuple[str, str]]:
    """Every entry: the box's file or the login whose it is, and the address or domain."""
    wiring.connect_to_read(home)
    return entries_of(wiring.configured(home).boxes)


def _address_or_domain(text: str) -> str:
    """In lower case. Raises BadConfiguration where it is neither."""
    try:
        return parse.address_or_domain(text.lower())
    except BadValue as fault:
        raise BadConfiguration("{address} {why}", address=text, why=fault.words) from None


def hold(home: Path, address: str, reason: str) -> bool | None:
    """Put an address or a domain under a legal hold. Raises BadConfiguration where it is neither.

    Returns whether the list beside the backups has it; None where no folder is set.
    """
    _address_or_domain(address)
    wiring.connect_to_read(home)
    store_holds.hold(address, reason, wiring.AT_THE_MACHINE, "cli")
    return _told_backups(home)


def release(home: Path, address: str) -> tuple[bool, bool | None]:
    """End a legal hold. Returns whether there was one, and as ``hold``."""
    wiring.connect_to_read(home)
    return store_holds.release(address, wiring.AT_THE_MACHINE, "cli"), _told_backups(home)


def _told_backups(home: Path) -> bool | None:
    kept = wiring.configured(home).settings.backup_to
    return None if kept is None else tell(home, kept)


def holds(home: Path) -> list[Held]:
    """Every legal hold."""
    wiring.connect_to_read(home)
    return store_holds.read()


def audit_entries(home: Path, limit: int) -> list[Entry]:
    """The newest rows of the audit log, newest first."""
    wiring.connect_to_read(home)
    return audit.entries(limit=limit)


def audit_broken(home: Path) -> list[Broken]:
    """Where the audit log is not as it was written."""
    wiring.connect_to_read(home)
    return list(audit.broken())
