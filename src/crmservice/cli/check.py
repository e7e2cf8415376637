"""``crmservice check``: every fault and risk of the configuration, with advice (SPEC chapters 2, 7 and 11)."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from crmservice.cli import exits
from crmservice.cli.probing import LISTENING, Tried, try_sources, try_stores
from crmservice.cli.words import _, told
from crmservice.config import (
    Box,
    Endpoint,
    Fault,
    Settings,
    box_files,
    load_boxes,
    load_settings,
    microsoft_oauth,
    oauth_path,
)
from crmservice.config.parse import host_port, is_loopback, nearest, open_to_others
from crmservice.mail.keywords import Keywords
from crmservice.mail.trust import MICROSOFT
from crmservice.pipeline.verified import from_tenant
from crmservice.service import wiring
from crmservice.service.expiry import Ending, all_endings
from crmservice.sources.smtp_in import CantListen
from crmservice.sources.smtp_in.certificate import try_certificate

SAFE_PYTHON = (3, 11, 15)
"""Older ones have faults in TLS, XML and mail reading that strangers can use."""

Level = Literal["fault", "warning", "risk", "unreachable", "fine"]


class Finding(NamedTuple):
    """One line of the report. ``where``: a file, with line and key, or a box."""

    level: Level
    where: str
    message: str
    advice: str = ""


def check(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help=_("Contact no server."))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=_("Print one JSON list."))] = False,
) -> None:
    """Name every fault and risk of the configuration, and try to sign in to every source and store.

    Nothing is read from a mailbox and nothing is changed. Exit code 0 when all is fine (risks are named),
    75 when a server could not be reached, 78 when a file must be corrected.

    Example:  crmservice --home /var/lib/crmservice check
    """
    findings = findings_of(ctx.obj.home, offline=offline)
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            print(line_of(finding))
    raise typer.Exit(exit_code(findings))


def findings_of(home: Path, *, offline: bool) -> list[Finding]:
    """Everything there is to say about a home folder."""
    settings = load_settings(home, os.environ)
    boxes = load_boxes(home, settings.settings, os.environ)
    found = [_of_fault("fault", fault) for fault in (*settings.faults, *boxes.faults)]
    found += [_of_fault("warning", fault) for fault in (*settings.warnings, *boxes.warnings)]
    found += _keywords(settings.settings)
    if not boxes.boxes and not boxes.faults:
        found.append(Finding("fault", str(home), _("holds no technology box"), _("run crmservice init")))
    found += _oauth(home, boxes.boxes)
    found += _of_machine()
    found += _readable_files(home, boxes.boxes)
    if not offline and not settings.faults:
        found += [_of_try("crmservice.toml", tried) for tried in try_stores(settings.settings)]
    for box in boxes.boxes:
        found += risks(box)
        if not offline:
            found += [_of_try(box.name, tried) for tried in try_sources(box, home)]
    if not offline:
        found += [_of_ending(ending) for ending in all_endings(boxes.boxes, home)]
    return found


def exit_code(findings: Iterable[Finding]) -> int:
    """The exit code that the worst finding asks for."""
    levels = {finding.level for finding in findings}
    if "fault" in levels:
        return exits.BAD_CONFIGURATION
    return exits.TRY_LATER if "unreachable" in levels else exits.DONE


def risks(box: Box) -> Iterator[Finding]:
    """What works, but may go wrong, or lets a stranger do more than he should."""
    yield from _plain_passwords(box)
    yield from _unprotected(box)
    yield from _listening(box)
    if not box.authserv_ids:
        message = _(
            "has no authservId: anybody may write mail in a colleague's name, and it makes tasks and sets scopes"
        )
        yield Finding("risk", box.name, message, _("name the server whose Authentication-Results are to be believed"))
    if MICROSOFT in box.authserv_ids and not from_tenant(box):
        message = _("has authservId=microsoft, but reads no mailbox of Microsoft 365: it is not believed here")
        advice = _("name the server that receives the mail, or read the mailbox with graphMailbox or OAuth")
        yield Finding("risk", box.name, message, advice)
    if not box.error_to or box.smtp is None:
        message = _("has no errorTo with smtpServer: nobody is told when something is wrong")
        yield Finding("risk", box.name, message, _("give errorTo, errorFrom and smtpServer"))
    if len(_mailbox_readers(box)) > 1:
        message = _("is read in more than one way: {readers}").format(readers=", ".join(_mailbox_readers(box)))
        yield Finding("risk", box.name, message, _("two readers of one mailbox file mail twice; keep one"))


def _plain_passwords(box: Box) -> Iterator[Finding]:
    logins = {"pop3Password": box.pop3_login, "imapPassword": box.imap_login, "smtpPassword": box.smtp_login}
    for key, login in logins.items():
        if login and login.password and login.password.origin == "plain":
            message = _("{key} stands in the file itself").format(key=key)
            yield Finding("risk", box.name, message, _("write env:NAME or file:PATH in its place"))


def _unprotected(box: Box) -> Iterator[Finding]:
    """Which servers get passwords and mail in the clear; on this machine nobody listens."""
    if not box.allow_insecure:
        return
    servers = {"pop3Url": box.pop3, "imapUrl": box.imap, "smtpServer": box.smtp}
    clear = [key for key, server in servers.items() if server and _in_the_clear(server)]
    if open_to_others(box.smtp_listen, box.smtp_listen_networks):
        clear.append("smtpListen")
    if clear:
        message = _("has allowInsecure=true: passwords and mail go over the line in the clear: {servers}")
        advice = _("remove it as soon as the server speaks TLS")
        yield Finding("risk", box.name, message.format(servers=", ".join(clear)), advice)
    else:
        message = _("has allowInsecure=true, which nothing here needs")
        yield Finding("risk", box.name, message, _("remove it: a server written later would be used without TLS"))


def _listening(box: Box) -> Iterator[Finding]:
    """What keeps senders from delivering to smtpListen."""
    try:
        try_certificate(box)
    except CantListen as fault:
        yield Finding("fault", box.name, told(fault.words))
    beyond = box.smtp_listen and not is_loopback(host_port(box.smtp_listen)[0])
    if beyond and not open_to_others(box.smtp_listen, box.smtp_listen_networks):
        message = _(
            "listens for other machines, but smtpListenNetworks lets none of them deliver: their mail is refused"
        )
        yield Finding("risk", box.name, message, _("name their networks, or listen at 127.0.0.1"))


def _in_the_clear(server: Endpoint) -> bool:
    return server.security == "plain" and not is_loopback(server.host)


def _mailbox_readers(box: Box) -> list[str]:
    """The keys that seem to read the same mailbox: the same login name, or the box's address."""
    readers = {"pop3Url": box.pop3_login, "imapUrl": box.imap_login}
    names = {key: login.name.lower() for key, login in readers.items() if login}
    if box.graph_mailbox:
        names["graphMailbox"] = box.graph_mailbox
    same = [key for key, name in names.items() if list(names.values()).count(name) > 1]
    inbox = box.imap_folder.upper() == "INBOX"
    return [key for key in same if inbox or key != "imapUrl"]


def _keywords(settings: Settings) -> Iterator[Finding]:
    """Names under [keywords] that are no keyword's: with one of them the service does not begin."""
    known = [field.name for field in fields(Keywords)]
    for name in settings.keywords:
        if name not in known:
            guess = nearest(name, known)
            advice = _("did you mean {guess}?").format(guess=guess) if guess else ", ".join(known)
            yield Finding("fault", f"{settings.home / 'crmservice.toml'} keywords.{name}", _("is no keyword"), advice)


def _oauth(home: Path, boxes: Iterable[Box]) -> Iterator[Finding]:
    """Faults of each MicrosoftOAuth.json that is there: calendars use it even where no box does."""
    roots = dict.fromkeys([home, *(box.root_path for box in boxes)])
    for path in dict.fromkeys(oauth_path(root, home) for root in roots):
        if path.is_file():
            _found, faults = microsoft_oauth(path.parent.parent, home, os.environ)
            yield from (_of_fault("fault", fault) for fault in faults)


def _of_machine() -> Iterator[Finding]:
    if sys.version_info[:3] < SAFE_PYTHON:
        running = ".".join(map(str, sys.version_info[:3]))
        message = _("Python {running} has known faults in TLS, XML and mail reading").format(running=running)
        yield Finding("risk", sys.executable, message, _("use Python 3.11.15 or newer"))


def _readable_files(home: Path, boxes: Iterable[Box]) -> Iterator[Finding]:
    """Configuration files that others on this machine may read (POSIX modes alone)."""
    if os.name != "posix" or not home.is_dir():
        return
    oauth = {oauth_path(box.root_path, home) for box in boxes} | {home / "Config" / "MicrosoftOAuth.json"}
    for path in [*box_files(home), home / "crmservice.toml", *sorted(oauth)]:
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o007:
            message = _("can be read by everybody on this machine")
            yield Finding("risk", str(path), message, f"chmod 600 {path}")


def _of_fault(level: Level, fault: Fault) -> Finding:
    advice = told(fault.advice) if fault.advice else ""
    return Finding(level, f"{told(fault.place)} {fault.key}".rstrip(), told(fault.message), advice)


def _of_try(place: str, tried: Tried) -> Finding:
    """What came of it; ``place`` is a box, or the file that names what was tried."""
    where = f"{place} {tried.source}"
    if tried.problem is None:
        answers = _("can be listened at") if tried.source == LISTENING else _("answers, and lets us in")
        return Finding("fine", where, answers)
    return Finding("fault" if tried.permanent else "unreachable", where, told(tried.problem))


def _of_ending(ending: Ending) -> Finding:
    """A certificate, a secret or a mailbox's room, and when it ends."""
    now = wiring.now()
    soon = ending.step(now) is not None
    return Finding(
        "risk" if soon else "fine", ending.box, told(ending.words(now)), _("renew it in time") if soon else ""
    )


def line_of(finding: Finding) -> str:
    """A finding as a line for people."""
    words = {
        "fault": _("FAULT"), "warning": _("WARNING"), "risk": _("RISK"), "unreachable": _("NOT REACHED"), "fine": _("OK"),
    }  # fmt: skip
    advice = f"\n    → {finding.advice}" if finding.advice else ""
    return f"{words[finding.level]}  {finding.where}: {finding.message}{advice}"
