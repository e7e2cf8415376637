"""The command ``crmservice``: its commands load when they are called, so that help costs nothing."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from crmservice import __version__
from crmservice.cli.command import Translated, loaded, translated
from crmservice.cli.speaking import spoken
from crmservice.cli.words import _, language_of, use_language

COMMANDS = {
    "init": ("crmservice.cli.init:init", "Write a technology box's XML file and test its connection."),
    "check": ("crmservice.cli.check:check", "Name every fault and risk of the configuration, with advice."),
    "run": ("crmservice.cli.run:run", "Fetch and file mail for every technology box."),
    "status": ("crmservice.cli.status:status", "Show on one screen how the service fares."),
    "import": ("crmservice.cli.import_:import_", "File a folder of .eml files; the files stay where they are."),
    "load": ("crmservice.cli.load:load", "Load records (users, contacts, contracts …) from JSON, CSV or XLSX."),
    "export": ("crmservice.cli.export:export", "Print the CRM as one JSON object, whole or as a user sees it."),
    "explain": ("crmservice.cli.explain:explain", "Say what would become of mails and why; changes nothing."),
    "replay": ("crmservice.cli.replay:replay", "Hold today's rules against the backups: what would differ."),
    "simulate": ("crmservice.cli.simulate:simulate", "Say what another rules setting would have changed."),
    "undo": ("crmservice.cli.undo:undo", "Take back what messages caused, or what a change did."),
    "requeue": ("crmservice.cli.requeue:requeue", "Give messages that were set aside or skipped another try."),
    "ledger": ("crmservice.cli.ledger:ledger", "Account for every message that ever arrived."),
    "verify": ("crmservice.cli.verify:verify", "Hold every stored mail and the database against what is known."),
    "backup": ("crmservice.cli.backup:backup", "Back up the whole home while it works."),
    "restore": ("crmservice.cli.restore:restore", "Restore a home folder from a backup and verify it."),
    "erase": ("crmservice.cli.erase:erase", "Show and remove everything that is kept of a person; legal holds."),
    "never-file": (
        "crmservice.cli.never_file:never_file",
        "Show and remove what was filed of those never to be filed.",
    ),
    "audit": ("crmservice.cli.audit:audit", "List who did what, or verify that nobody touched that list."),
    "migrate": ("crmservice.cli.migrate:migrate", "Take over the folder of the old service, CRMService.exe."),
    "service": ("crmservice.cli.service:service", "Install, start, stop or remove the background service."),
    "canary": ("crmservice.cli.canary:canary", "Test each employee's forwarding by a marked mail."),
    "demo": ("crmservice.cli.demo:demo", "Make a sample company with sample mail and show what becomes of it."),
}
"""Name -> (where the function is, its one line of help). Help lists them without importing any."""


@dataclass(frozen=True, slots=True)
class Globals:
    """The global options: the service's folder, and how much to say."""

    home: Path
    verbose: bool = False


class LazyGroup(Translated, TyperGroup):
    """Lists commands from the table above; imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (typer's signature)
        """The commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002 (typer's signature)
        """A stand-in with the command's line of help."""
        if cmd_name not in COMMANDS:
            return None
        line = _(COMMANDS[cmd_name][1])
        return TyperCommand(cmd_name, help=line, short_help=line, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The real command, imported now, in the language that the home may ask for."""
        use_language(os.environ, language_of(ctx.params["home"]))
        name, stand_in, rest = super().resolve_command(ctx, args)
        place = COMMANDS[str(name)][0] if stand_in is not None else ""
        return name, (translated(loaded(str(name), place)) if place else None), rest

    def invoke(self, ctx: Any) -> int:
        """Run the command; its end is put into words here, because Typer has its own for some."""
        return spoken(lambda: super(LazyGroup, self).invoke(ctx))


app = typer.Typer(cls=LazyGroup, add_completion=False, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crmservice {__version__}")
        raise typer.Exit


@app.callback(help="Turns a company's e-mail into CRM activities, and says why.")
def _globals(
    ctx: typer.Context,
    home: Annotated[
        Path,
        typer.Option(envvar="CRMSERVICE_HOME", help="The service's folder: boxes' XML files, backups, log, database."),
    ] = Path(),
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more about what is done.")] = False,
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    ctx.obj = Globals(home.absolute(), verbose)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; a fault becomes a sentence on standard error."""
    use_language(os.environ)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a stranger wrote may not fit the terminal's encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    command: Any = translated(get_command(app))
    given = globals_first(arguments) or ["--help"]
    return spoken(lambda: command.main(given, prog_name="crmservice", standalone_mode=False))


def globals_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global options in front of the command: people write them behind it just as well."""
    first: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument == "--home":
            value = list(islice(left, 1))
            (first if value else rest).extend([argument, *value])
        elif argument in ("-v", "--verbose") or argument.startswith("--home="):
            first.append(argument)
        else:
            rest.append(argument)
    return first + rest
