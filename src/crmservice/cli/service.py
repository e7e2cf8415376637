"""``crmservice service``: install, start, stop and remove the background service (SPEC chapter 10)."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.words import _
from crmservice.config import Secret
from crmservice.errors import BadConfiguration
from crmservice.service.unit import NAME, STATE, of_home

Option = typer.Option


class Action(StrEnum):
    """What to do."""

    INSTALL = "install"
    START = "start"
    STOP = "stop"
    STATUS = "status"
    UNINSTALL = "uninstall"


class Startup(StrEnum):
    """When Windows starts the service, as the original's dialog offered."""

    AUTO = "auto"
    DELAYED = "delayed"
    MANUAL = "manual"
    DISABLED = "disabled"


def service(  # noqa: PLR0913, PLR0917 (each option is one of systemd's or of Windows' dialog)
    ctx: typer.Context,
    action: Annotated[Action, typer.Argument(help="install, start, stop, status or uninstall.")],
    show: Annotated[bool, Option("--print", help="Print the systemd unit and change nothing.")] = False,
    user: Annotated[str, Option("--user", help="Linux: the user that the service runs as.")] = "crmservice",
    credential: Annotated[
        list[str] | None, Option("--credential", help="Linux: NAME=FILE, read by a secret file:NAME (LoadCredential).")
    ] = None,
    no_start: Annotated[bool, Option("--no-start", help="Install it without starting it.")] = False,
    startup: Annotated[Startup, Option("--startup", help="Windows: when it starts.")] = Startup.AUTO,
    account: Annotated[str, Option("--account", help="Windows: the account that it runs as.")] = "LocalSystem",
    password_env: Annotated[str, Option("--password-env", help="Windows: variable with the account's password.")] = "",
    password_file: Annotated[str, Option("--password-file", help="Windows: file with the account's password.")] = "",
) -> None:
    """Install, start, stop or remove the background service: a hardened systemd unit on Linux, a service on Windows.

    install is given again after a change of import folders or ports: the unit allows what the boxes need and nothing
    else. uninstall leaves the home folder, its data and the user. On Linux the home is /var/lib/crmservice unless --home
    says otherwise.

    Example:  sudo crmservice --home /var/lib/crmservice service install
    """
    home = _home(ctx)
    if sys.platform == "win32" and not show:
        password = _password(password_env, password_file)
        raise typer.Exit(_on_windows(action, home, startup.value, account, password))
    raise typer.Exit(_on_linux(action, home, user, credential or [], show=show, start=not no_start))


def _home(ctx: typer.Context) -> Path:
    """The home that was named; a service is not meant for the folder one happens to be in."""
    source = ctx.parent.get_parameter_source("home") if ctx.parent else None
    named = source is not None and source.name != "DEFAULT"
    home: Path = ctx.obj.home
    return home if named or sys.platform == "win32" else STATE


def _on_linux(action: Action, home: Path, user: str, credentials: list[str], *, show: bool, start: bool) -> int:
    from crmservice.service import linux

    machine = linux.Machine()
    if show:
        print(of_home(home, linux.program(), user, _pairs(credentials)).text(), end="")
    elif action is Action.INSTALL:
        unit = of_home(home, linux.program(), user, _pairs(credentials))
        for line in machine.install(unit, start=start):
            print(_("made: {what}").format(what=line))
        print(_("{name} is installed; what it does: journalctl -u {name}, crmservice status").format(name=NAME))
    elif action is Action.UNINSTALL:
        _say_removed(machine.uninstall())
    elif action is Action.STATUS:
        print(machine.status())
    else:
        machine.act(action.value)
    return exits.DONE


def _on_windows(action: Action, home: Path, startup: str, account: str, password: Secret | None) -> int:
    from crmservice.service.windows import calls, installation

    windows = calls()
    if action is Action.INSTALL:
        windows.install(installation(home, startup, account, password))
    elif action is Action.START:
        windows.start()
    elif action is Action.STOP:
        windows.stop()
    elif action is Action.UNINSTALL:
        _say_removed(windows.remove())
    print(windows.status())
    return exits.DONE


def _say_removed(there_was_one: bool) -> None:
    done, none = _("The service is removed; its home and data stay."), _("The service is not installed.")
    print(done if there_was_one else none)


def _pairs(credentials: list[str]) -> tuple[tuple[str, Path], ...]:
    pairs = [text.partition("=") for text in credentials]
    for name, equals, file in pairs:
        if not (name and equals and Path(file).is_absolute()):
            raise BadConfiguration("--credential: write NAME=/absolute/file")
    return tuple((name, Path(file)) for name, _equals, file in pairs)


def _password(variable: str, file: str) -> Secret | None:
    if variable:
        return Secret(os.environ.get(variable, ""))
    return Secret(Path(file).read_text(encoding="utf-8").rstrip("\r\n")) if file else None
