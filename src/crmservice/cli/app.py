"""The command ``crmservice``: its commands load when they are called, so that help costs nothing."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from crmservice import __version__
from crmservice.cli import exits
from crmservice.cli.words import _, use_language
from crmservice.errors import CrmServiceError

COMMANDS = {
    "init": ("crmservice.cli.init:init", "Write a technology box's XML file and test its connection."),
    "check": ("crmservice.cli.check:check", "Name every fault and risk of the configuration, with advice."),
    "run": ("crmservice.cli.run:run", "Fetch and file mail for every technology box."),
    "import": ("crmservice.cli.import_:import_", "File a folder of .eml files; the files stay where they are."),
    "load": ("crmservice.cli.load:load", "Load records (users, contacts, contracts …) from JSON, CSV or XLSX."),
    "export": ("crmservice.cli.export:export", "Print the CRM as one JSON object, whole or as a user sees it."),
    "explain": ("crmservice.cli.explain:explain", "Say what would become of mails and why; changes nothing."),
    "replay": ("crmservice.cli.replay:replay", "Hold today's rules against the backups: what would differ."),
    "requeue": ("crmservice.cli.requeue:requeue", "Give messages that were set aside another try."),
    "ledger": ("crmservice.cli.ledger:ledger", "Account for every message that ever arrived."),
    "demo": ("crmservice.cli.demo:demo", "Make a sample company with sample mail and show what becomes of it."),
}
"""Name -> (where the function is, its one line of help). Help lists them without importing any."""


@dataclass(frozen=True, slots=True)
class Globals:
    """The global options: the service's folder, and how much to say."""

    home: Path
    verbose: bool = False


class LazyGroup(TyperGroup):
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
        """The real command, imported now."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, (_load(str(name)) if stand_in is not None else None), rest


def _load(name: str) -> Any:
    place, line = COMMANDS[name]
    module, _colon, function = place.partition(":")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, help=None)(getattr(importlib.import_module(module), function))
    command: Any = get_command(single)
    command.short_help = _(line)
    return command


app = typer.Typer(cls=LazyGroup, add_completion=False, no_args_is_help=True, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crmservice {__version__}")
        raise typer.Exit


@app.callback(help=_("Turns a company's e-mail into CRM activities, and says why."))
def _globals(
    ctx: typer.Context,
    home: Annotated[
        Path,
        typer.Option(
            envvar="CRMSERVICE_HOME", help=_("The service's folder: boxes' XML files, backups, log, database.")
        ),
    ] = Path(),
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help=_("Say more about what is done."))] = False,
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=_("Print the version."))
    ] = False,
) -> None:
    ctx.obj = Globals(home.absolute(), verbose)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; a fault becomes a sentence on standard error."""
    use_language(os.environ)
    try:
        result = get_command(app).main(list(arguments), prog_name="crmservice", standalone_mode=False)
    except CrmServiceError as fault:
        print(f"crmservice: {fault}", file=sys.stderr)
        return exits.code_of(fault)
    except typer.Exit as leave:
        return leave.exit_code
    except TyperException as wrong:
        wrong.show()  # type: ignore[attr-defined]
        return wrong.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print(_("crmservice: stopped; nothing is lost, the next run goes on from here"), file=sys.stderr)
        return exits.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.DONE
    return result if isinstance(result, int) else exits.DONE
