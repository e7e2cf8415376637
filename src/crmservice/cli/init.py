"""``crmservice init``: writes a technology box's XML file, tests it, and says what is left to do (SPEC chapter 2)."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated
from xml.sax.saxutils import quoteattr

import typer

from crmservice.cli import exits, microsoft
from crmservice.cli.probing import try_sources
from crmservice.cli.words import _, told
from crmservice.config import Box, load_boxes, load_settings
from crmservice.errors import BadConfiguration
from crmservice.words import joined, system_words

Option = typer.Option


def init(  # noqa: PLR0913, PLR0917 (each option is a key of the file)
    ctx: typer.Context,
    email: Annotated[str, Option("--email", help=_("The technology box's address, crm@firma.cz."))] = "",
    pop3: Annotated[str, Option("--pop3", help=_("POP3 server: host or host:port."))] = "",
    imap: Annotated[str, Option("--imap", help=_("IMAP server: host or host:port."))] = "",
    graph: Annotated[
        bool, Option("--graph", help=_("Read the mailbox through Microsoft Graph, by Config/MicrosoftOAuth.json."))
    ] = False,
    eml_dir: Annotated[Path | None, Option("--eml-dir", help=_("Folder of .eml files to import."))] = None,
    name: Annotated[str, Option("--name", help=_("The file's name without .xml; else from the address."))] = "",
    user: Annotated[str, Option("--user", help=_("Login name; else the address."))] = "",
    password_env: Annotated[str, Option("--password-env", help=_("Variable that holds the password."))] = "",
    password_file: Annotated[str, Option("--password-file", help=_("File that holds the password."))] = "",
    oauth: Annotated[bool, Option("--oauth", help=_("Sign in with Config/MicrosoftOAuth.json."))] = False,
    ca_file: Annotated[
        Path | None, Option("--ca-file", help=_("PEM file of the only CAs to trust; else the system's."))
    ] = None,
    rules: Annotated[str, Option("--rules", help=_("safe, or manual as the original did."))] = "safe",
    authserv_id: Annotated[
        list[str] | None, Option("--authserv-id", help=_("Server whose checks are believed."))
    ] = None,
    error_to: Annotated[str, Option("--error-to", help=_("Who is told when something is wrong."))] = "",
    smtp: Annotated[str, Option("--smtp", help=_("Outgoing server for that: host or host:port."))] = "",
    yes: Annotated[bool, Option("--yes", help=_("Ask nothing; overwrite nothing."))] = False,
    offline: Annotated[bool, Option("--offline", help=_("Do not test the connection."))] = False,
) -> None:
    """Write a technology box's XML file, test its connection, and say what is left to do.

    Asks for what is not given. A password that is typed in goes into a file of its own, readable by the
    service alone; the XML names it. An existing box is never overwritten.

    Example:  crmservice init --email crm@firma.cz --imap mail.firma.cz --password-env CRM_PASSWORD
    """
    home: Path = ctx.obj.home
    asking = not yes and sys.stdin.isatty()
    if asking:
        email = email or typer.prompt(_("Address of the technology box"))
        if not (pop3 or imap or graph or eml_dir):
            imap = typer.prompt(_("IMAP server (empty: none)"), default="", show_default=False)
            pop3 = "" if imap else typer.prompt(_("POP3 server (empty: none)"), default="", show_default=False)
            user = user or (typer.prompt(_("Login name"), default=email) if imap or pop3 else "")
    _refuse_what_is_missing(email, bool(pop3), bool(imap), graph)
    kind = "imap" if imap else "pop3"
    file = _new_file(home, name or _name_of(email))
    keys = {
        "pop3Email": [email],
        "pop3Url": [pop3],
        "imapUrl": [imap],
        "graphMailbox": [email] if graph else [],
        f"{kind}Name": [user or email] if pop3 or imap else [],
        f"{kind}OAuth": ["true"] if oauth else [],
        "tlsCaFile": [str(ca_file.absolute())] if ca_file else [],
        "emlDir": [str(eml_dir.absolute())] if eml_dir else [],
        "rules": [rules],
        "authservId": authserv_id or [],
        "smtpServer": [smtp],
        "errorFrom": [email] if error_to else [],
        "errorTo": [error_to],
    }
    written = [file]
    if (pop3 or imap) and not oauth:
        where = _password(password_env, password_file, asking=asking)
        if where is None:
            written.append(_typed_password(home, file.stem))
            where = f"file:{written[-1].relative_to(home).as_posix()}"
        keys[f"{kind}Password"] = [where]
    _write_private(file, box_xml(keys))
    raise typer.Exit(_tested(home, written, offline=offline))


def _refuse_what_is_missing(email: str, *readers: bool) -> None:
    if not email:
        raise BadConfiguration("give the technology box's address with --email")
    if sum(readers) > 1:
        raise BadConfiguration("give one of --imap, --pop3 and --graph: two readers of one mailbox file its mail twice")


def _name_of(email: str) -> str:
    """A file name made of the address: crm@firma.cz -> crm."""
    return re.sub(r"[^\w.-]", "_", email.partition("@")[0]) or "box"


def _password(variable: str, file: str, *, asking: bool) -> str | None:
    """What the XML says of the password: where it is, never what it is. None: it is to be typed in."""
    if variable:
        return f"env:{variable}"
    if file:
        return f"file:{Path(file).absolute()}"
    if asking:
        return None
    raise BadConfiguration("give --password-env or --password-file (or --oauth for Microsoft 365)")


def _typed_password(home: Path, name: str) -> Path:
    """The file of a password that is typed in."""
    path = home / "Config" / f"{name}.password"
    _write_private(path, typer.prompt(_("Password"), hide_input=True) + "\n")
    return path


def box_xml(keys: dict[str, list[str]]) -> str:
    """A box's file as in the manual's chapter 7; empty values are left out."""
    lines = [
        f"    <add key={quoteattr(key)} value={quoteattr(value)} />"
        for key, values in keys.items()
        for value in values
        if value
    ]
    head = ['<?xml version="1.0" encoding="utf-8" ?>', "<configuration>", "  <appSettings>"]
    return "\n".join([*head, *lines, "  </appSettings>", "</configuration>", ""])


def _new_file(home: Path, name: str) -> Path:
    """Where the box's file will be. Nothing is asked, and no password written, for a box that is there already."""
    if not re.fullmatch(r"[\w][\w.-]{0,99}", name):
        raise BadConfiguration("{name} is no file name", name=repr(name))
    file = home / f"{name}.xml"
    if file.exists():
        raise _there_already(file)
    return file


def _there_already(file: Path) -> BadConfiguration:
    return BadConfiguration("{file} is there already; remove it, or choose another --name", file=file)


def _write_private(file: Path, text: str) -> None:
    """A new file that its owner alone may read. Raises BadConfiguration if it is there or can't be made."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _there_already(file) from None
    except OSError as error:
        raise BadConfiguration("{file} can't be written: {why}", file=file, why=system_words(error)) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def _tested(home: Path, written: list[Path], *, offline: bool) -> int:
    """Read the file back, try its sources, and say what is left; the exit code. A file with a fault does not stay."""
    file = written[0]
    result = load_boxes(home, load_settings(home, os.environ).settings, os.environ)
    for fault in (*result.faults, *result.warnings):
        if fault.file == file:
            level = _("FAULT") if fault in result.faults else _("WARNING")
            print(f"{level}  {told(joined(': ', (fault.key, fault.message, fault.advice)))}")
    box = next((box for box in result.boxes if box.file == file), None)
    if box is None:
        for path in written:
            path.unlink()
        print(_("Nothing was written; give the command again with this corrected."))
        return exits.BAD_CONFIGURATION
    print(_("Written: {file}").format(file=", ".join(map(str, written))))
    code = exits.DONE if offline else _tried(box, home)
    if code:
        print(_("The files stay: correct them where they are wrong, then run crmservice check."))
    _say_what_is_left(box)
    return code


def _tried(box: Box, home: Path) -> int:
    problems = []
    for tried in try_sources(box, home):
        print(f"{tried.source}: {told(tried.problem) if tried.problem else _('answers, and lets us in')}")
        problems += [tried] if tried.problem else []
    if any(tried.permanent for tried in problems):
        return exits.BAD_CONFIGURATION
    return exits.TRY_LATER if problems else exits.DONE


def _say_what_is_left(box: Box) -> None:
    print("\n" + _("What is left to do:") + "\n")
    print(microsoft.forwarding(box.email))
    if box.graph_mailbox or any(login and login.oauth for login in (box.pop3_login, box.imap_login)):
        print("\n" + microsoft.steps(box.email, graph=bool(box.graph_mailbox)))
    if not box.authserv_ids:
        print("\n" + _("Set authservId, so that mail in a colleague's name is told from the colleague's mail."))
    print("\n" + _("Load users, customers and contracts: crmservice load FILE (JSON, CSV or XLSX)."))
    print("\n" + _("Then: crmservice check, and crmservice run."))
