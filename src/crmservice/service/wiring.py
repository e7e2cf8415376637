"""The only place that chooses real adapters. Follow a message from here: ``filing_service`` names every station.

Everything that needs the database imports it inside a function: ``explain --records`` runs without Django.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmservice.config import Box, Fault, Settings, load_boxes, load_settings
from crmservice.errors import BadConfiguration
from crmservice.mail.keywords import with_own
from crmservice.pipeline.gateway import CrmGateway
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.service.explaining import Explainer

if TYPE_CHECKING:
    from crmservice.service.replaying import Difference
    from crmservice.store.inbox import Listed

NOTICE_KEY = Path(".crmservice", "notice.key")


@dataclass(frozen=True, slots=True)
class Configured:
    """What the home folder says: settings, the boxes that can run, and every fault and warning found."""

    home: Path
    settings: Settings
    boxes: tuple[Box, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def configured(home: Path) -> Configured:
    """Read the whole configuration of a home folder. Raises BadConfiguration when there is no such folder."""
    if not home.is_dir():
        msg = f"{home} is no folder: name the service's folder with --home, or make one with 'crmservice init'"
        raise BadConfiguration(msg)
    settings = load_settings(home, os.environ)
    boxes = load_boxes(home, settings.settings, os.environ)
    return Configured(
        home,
        settings.settings,
        boxes.boxes,
        settings.faults + boxes.faults,
        settings.warnings + boxes.warnings,
    )


def the_box(boxes: Sequence[Box], name: str) -> Box:
    """The box of this name, or the only one. Raises BadConfiguration where that is none or not clear."""
    found = [box for box in boxes if not name or box.name == name]
    if len(found) == 1:
        return found[0]
    known = ", ".join(box.name for box in boxes) or "none"
    msg = f"name the technology box with --box (there are: {known})" if not name else f"no box {name!r} ({known})"
    raise BadConfiguration(msg)


def pipeline(settings: Settings, gateway: CrmGateway) -> Pipeline:
    """The chain with its gateway, words and notice key."""
    words = with_own(settings.keywords)
    return Pipeline(gateway, CHAIN, words, notice_key(settings.home))


def notice_key(home: Path) -> bytes:
    """The secret that marks our own notices; empty where none was made yet."""
    try:
        return (home / NOTICE_KEY).read_bytes()
    except OSError:
        return b""


def connect(home: Path, settings: Settings | None = None) -> None:
    """Connect this process to the home's database and bring its schema up to date."""
    from crmservice.store import database

    chosen = settings or load_settings(home, os.environ).settings
    database.connect(home, chosen.database)
    database.migrate()


def explainer(home: Path, records: Path | None, box: str) -> Explainer:
    """Explains mails by the records of a file, else by the home's database, else by none."""
    found = configured(home) if home.is_dir() else None
    settings = found.settings if found else Settings(home)
    boxes = found.boxes if found else ()
    chosen = the_box(boxes, box) if boxes or box else _default_box()
    if records is not None:
        return Explainer(pipeline(settings, _from_file(records)), chosen)
    if settings.database or (home / "crmservice.db").is_file():
        return _from_store(settings, chosen)
    return Explainer(pipeline(settings, _from_tables({})), chosen)


def _default_box() -> Box:
    """A box with the defaults, for mail that is only looked at."""
    return Box(name="default", email="crm@example.invalid", our_domains=frozenset({"example.invalid"}))


def _from_file(records: Path) -> CrmGateway:
    import json

    try:
        tables = json.loads(records.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as fault:
        msg = f"{records} can't be read as records: {fault}"
        raise BadConfiguration(msg) from None
    return _from_tables(tables)


def _from_tables(tables: dict[str, Any]) -> CrmGateway:
    from crmservice.testing.memory import MemoryGateway

    return MemoryGateway.from_tables(tables)


def _from_store(settings: Settings, box: Box) -> Explainer:
    connect(settings.home, settings)
    from crmservice.store import inbox
    from crmservice.store.gateway import StoreGateway

    return Explainer(pipeline(settings, StoreGateway()), box, inbox.same_bytes)


def load(home: Path, tables: dict[str, Any], *, force: bool) -> int:
    """Load records into the home's CRM; returns how many. Raises BadConfiguration naming every fault."""
    connect(home)
    from crmservice.store.tables import load as load_tables

    return load_tables(tables, force=force)


def export(home: Path, login: str) -> dict[str, Any]:
    """The CRM as tables, whole or as the user with this login sees it."""
    connect(home)
    from crmservice.store.tables import export as export_tables

    return export_tables(login or None)


def requeue(home: Path, ids: Sequence[int] | None) -> int:
    """Let messages that were set aside be tried again; None: all. Returns how many."""
    connect(home)
    from crmservice.store import inbox

    return inbox.requeue(ids)


def set_aside(home: Path) -> list[Listed]:
    """The messages that were set aside, newest first."""
    connect(home)
    from crmservice.store import inbox

    return inbox.list_messages(verdict="set_aside")


def ledger(home: Path, *, quick: bool) -> dict[str, Any]:
    """The account of every message, by box, and every difference (SPEC chapters 13.1 and 14)."""
    connect(home)
    from crmservice.store import ledger as account

    return account.account(home, quick=quick)


def now() -> datetime:
    """The time, aware and UTC."""
    return datetime.now(UTC)


def replay(home: Path, since: date | None, *, box: str, apply: bool) -> Iterator[Difference]:
    """What today's rules would decide otherwise (SPEC 13.3); with ``apply`` written down where nothing stood."""
    found = configured(home)
    connect(home, found.settings)
    from crmservice.backup.folder import BackupFolder
    from crmservice.service.replaying import Replay
    from crmservice.store.gateway import StoreGateway
    from crmservice.store.history import StoreHistory

    run = Replay(StoreHistory(), BackupFolder(home), pipeline(found.settings, StoreGateway()))
    for one in found.boxes:
        if not box or one.name == box:
            yield from run.differences(one, since, apply=apply)
