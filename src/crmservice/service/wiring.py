"""The only place that chooses real adapters; each command of the command line is a function here or in ``cycle``.

Everything that needs the database imports it inside a function: ``explain --records`` runs without Django.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmservice.config import Box, Fault, Settings, load_boxes, load_settings
from crmservice.errors import BadConfiguration
from crmservice.mail.keywords import Keywords, with_own
from crmservice.pipeline.gateway import CrmGateway
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.service.explaining import Explainer
from crmservice.words import Words, joined, library_words, system_words

if TYPE_CHECKING:
    from crmservice.backup import RawMail
    from crmservice.service.replaying import Difference
    from crmservice.service.simulating import Rules, Simulation
    from crmservice.service.undoing import AfterAll
    from crmservice.sources import Source
    from crmservice.store.inbox import Listed
    from crmservice.tls import Timeouts

NOTICE_KEY = Path(".crmservice", "notice.key")
EMBEDDED = "crmservice.db"
AT_THE_MACHINE = "command line"
"""Who does what a command does, in the audit log."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What the home folder says: settings, the boxes that can run, and every fault and warning found.

    ``broken``: boxes with a fault, as far as they can be read.
    """

    home: Path
    settings: Settings
    boxes: tuple[Box, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    broken: tuple[Box, ...] = ()


def configured(home: Path) -> Configured:
    """Read the whole configuration of a home folder; a box's fault stops that box alone.

    Raises BadConfiguration when there is no such folder, or crmservice.toml can't be used as it stands.
    """
    settings, warnings = _settings(home)
    boxes = load_boxes(home, settings, os.environ)
    return Configured(home, settings, boxes.boxes, boxes.faults, warnings + boxes.warnings, boxes.broken)


def _settings(home: Path) -> tuple[Settings, tuple[Fault, ...]]:
    """The home's settings and their warnings. With a fault there is no telling which database was meant."""
    if not home.is_dir():
        raise BadConfiguration(
            "{home} is no folder: name the service's folder with --home, or make one with 'crmservice init'", home=home
        )
    found = load_settings(home, os.environ)
    if found.faults:
        raise BadConfiguration("{faults}", faults=joined("\n", [fault.words for fault in found.faults]))
    _words(found.settings)
    return found.settings, found.warnings


def the_box(boxes: Sequence[Box], name: str) -> Box:
    """The box of this name, or the only one. Raises BadConfiguration where that is none or not clear."""
    found = [box for box in boxes if not name or box.name == name]
    if len(found) == 1:
        return found[0]
    known = ", ".join(box.name for box in boxes) or "–"
    if name:
        raise BadConfiguration("there is no technology box {name} (there are: {known})", name=name, known=known)
    raise BadConfiguration("name the technology box with --box (there are: {known})", known=known)


def sources(box: Box, home: Path, timeouts: Timeouts | None = None) -> tuple[Source, ...]:
    """The box's sources, none of them contacted yet. Raises SourceError where ``tlsCaFile`` can't be used."""
    from crmservice.microsoft.tokens import mail_token
    from crmservice.sources import open_sources

    graph = None
    if box.graph_mailbox:
        from crmservice.microsoft.graph import graph_of

        graph = graph_of(box.root_path, home, box.graph_mailbox, timeouts)
    return open_sources(box, timeouts, mail_token(box, home), graph)


def pipeline(settings: Settings, gateway: CrmGateway) -> Pipeline:
    """The chain with its gateway, words and notice key."""
    return Pipeline(gateway, CHAIN, _words(settings), notice_key(settings.home))


def _words(settings: Settings) -> Keywords:
    """The words with the deployment's own. Raises BadConfiguration for a keyword that there is not."""
    try:
        return with_own(settings.keywords)
    except KeyError as fault:
        known = ", ".join(field.name for field in fields(Keywords))
        raise BadConfiguration(
            "crmservice.toml: [keywords]: there is no keyword {name} (there are: {known})",
            name=fault.args[0],
            known=known,
        ) from None


def notice_key(home: Path) -> bytes:
    """The secret that marks our own notices; empty where none was made yet."""
    try:
        return (home / NOTICE_KEY).read_bytes()
    except OSError:
        return b""


def connect(home: Path, settings: Settings | None = None) -> None:
    """Connect this process to the home's database and bring its schema up to date."""
    chosen = settings or _settings(home)[0]
    from crmservice.store import database

    database.connect(home, chosen.database)
    database.migrate()
    _make_notice_key()


def _make_notice_key() -> None:
    """Before the first mail is read: what returns of our own is known by it. A full disk must not stop who asks."""
    from crmservice.store import keys

    with contextlib.suppress(OSError):
        keys.secret(NOTICE_KEY.stem)


def connect_to_read(home: Path) -> None:
    """As ``connect``, for a command that asks: it makes no database in a folder that is not the service's."""
    found = configured(home)
    if not (found.boxes or found.faults or _has_database(found.settings)):
        raise BadConfiguration(
            "{home} holds neither a technology box nor a database: name the service's folder with --home", home=home
        )
    connect(home, found.settings)


def _has_database(settings: Settings) -> bool:
    return bool(settings.database) or (settings.home / EMBEDDED).is_file()


def explainer(home: Path, records: Path | None, box: str) -> Explainer:
    """Explains mails by the records of a file, else by the home's database, else by none.

    For the box of this name, else the only one, else one with the defaults (SPEC chapter 14).
    """
    found = configured(home) if home.is_dir() else None
    settings = found.settings if found else Settings(home)
    boxes = found.boxes if found else ()
    chosen = the_box(boxes, box) if box or len(boxes) == 1 else _default_box()
    if records is not None:
        return Explainer(pipeline(settings, _from_file(records)), chosen)
    if _has_database(settings):
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
        raise BadConfiguration("{file} can't be read as records: {why}", file=records, why=_why(fault)) from None
    return _from_tables(tables)


def _why(fault: OSError | ValueError) -> Words:
    return system_words(fault) if isinstance(fault, OSError) else library_words(str(fault))


def _from_tables(tables: dict[str, Any]) -> CrmGateway:
    from crmservice.pipeline.memory import MemoryGateway

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
    connect_to_read(home)
    from crmservice.store.tables import export as export_tables

    return export_tables(login or None)


def requeue(home: Path, ids: Sequence[int] | None) -> int:
    """Let messages that were set aside be tried again; None: all. Returns how many."""
    connect_to_read(home)
    from crmservice.store import audit, inbox
    from crmservice.store.database import writing

    with writing():
        count = inbox.requeue(ids)
        wished = "all" if ids is None else ", ".join(map(str, ids))
        audit.append(AT_THE_MACHINE, "cli", "requeue", wished, {"count": count})
    return count


def set_aside(home: Path) -> list[Listed]:
    """The messages that were set aside, newest first."""
    connect_to_read(home)
    from crmservice.store import inbox

    return inbox.list_messages(verdict="set_aside")


def left_out(home: Path) -> list[Listed]:
    """The newest messages that were set aside or skipped: they can be processed after all."""
    connect_to_read(home)
    from crmservice.store import inbox

    rows = (row for verdict in ("set_aside", "skipped") for row in inbox.list_messages(verdict=verdict))
    return sorted(rows, key=lambda row: -row.id)


def after_all(home: Path) -> AfterAll:
    """Processes mail that the rules left out, for the boxes of this home."""
    connect_to_read(home)
    found = configured(home)
    from crmservice.service.log import ServiceLog
    from crmservice.service.undoing import AfterAll
    from crmservice.store.gateway import StoreGateway

    return AfterAll(
        box=lambda name: the_box(found.boxes, name),
        backup=raw_mail(found.settings),
        pipeline=pipeline(found.settings, StoreGateway()),
        report=ServiceLog(home, found.settings.zone, now, found.settings.log).messages,
    )


def raw_mail(settings: Settings, box: str = "") -> RawMail:
    """Where the home's raw mail is kept; with a ``box``, its note of what is on its way (who has its lease owns it).

    Raises BadConfiguration where ``mail_store`` is set and its extra is not installed.
    """
    from crmservice.backup.folder import BackupFolder
    from crmservice.backup.in_flight import InFlight

    note = InFlight(settings.home, box) if box else None
    if not settings.mail_store:
        return BackupFolder(settings.home, note)
    try:
        from crmservice.backup.objects import Objects, open_store
    except ImportError:
        raise BadConfiguration("mail_store needs the extra s3: pip install 'crmservice[s3]'") from None
    secrets = (settings.mail_store_key, settings.mail_store_secret)
    return Objects(open_store(settings), note, [secret.reveal() for secret in secrets if secret is not None])


def ledger(home: Path, *, quick: bool) -> dict[str, Any]:
    """The account of every message, by box, and every difference as Words (SPEC chapters 13.1 and 14)."""
    connect_to_read(home)
    from crmservice.service.verifying import account

    return account(raw_mail(configured(home).settings), home, quick=quick)


def now() -> datetime:
    """The time, aware and UTC."""
    return datetime.now(UTC)


def replay(home: Path, since: date | None, *, box: str, apply: bool) -> Iterable[Difference]:
    """What today's rules would decide otherwise (SPEC 13.3); with ``apply`` written down, else found one by one."""
    connect_to_read(home)
    found = configured(home)
    boxes = {one.name: one for one in ([the_box(found.boxes, box)] if box else found.boxes)}
    from crmservice.service.replaying import Replay
    from crmservice.store.gateway import StoreGateway
    from crmservice.store.history import StoreHistory

    run = Replay(StoreHistory(), raw_mail(found.settings), pipeline(found.settings, StoreGateway()))
    return run.apply(boxes, since) if apply else run.differences(boxes, since)


def simulate(home: Path, rules: Rules, days: int, box: str) -> Iterator[Simulation]:
    """What a switch of ``rules`` would have changed of the messages of the last days, box by box (SPEC 13.11)."""
    connect_to_read(home)
    found = configured(home)
    boxes = [the_box(found.boxes, box)] if box else found.boxes
    from crmservice.service import simulating
    from crmservice.service.replaying import Replay
    from crmservice.store.gateway import StoreGateway
    from crmservice.store.history import StoreHistory

    both = [
        Replay(StoreHistory(), raw_mail(found.settings), pipeline(found.settings, StoreGateway())) for _ in range(2)
    ]
    since = now().astimezone(found.settings.zone).date() - timedelta(days=days)
    return simulating.simulate(both[0], both[1], boxes, rules, since)
