"""The service on Windows: what the original's dialog offered (start-up mode, account), checked and handed on.

The calls into Windows stand in ``service.win32`` alone, behind ``Calls``; everything here runs anywhere.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from crmservice.config import Secret
from crmservice.errors import BadConfiguration, CrmServiceError

NAME = "CRMService"
DISPLAY = "CRMService"
DESCRIPTION = "Turns a company's e-mail and calendars into CRM activities."
Startup = Literal["auto", "delayed", "manual", "disabled"]


class NoWindows(CrmServiceError):
    """This is no Windows."""


_BUILT_IN = {
    "localsystem": "LocalSystem",
    "localservice": r"NT AUTHORITY\LocalService",
    "networkservice": r"NT AUTHORITY\NetworkService",
}


@dataclass(frozen=True, slots=True)
class Installation:
    """What Windows is asked for. ``account`` as Windows spells it; a built-in one has no password."""

    home: Path
    startup: Startup = "auto"
    account: str = "LocalSystem"
    password: Secret | None = None


class Calls(Protocol):
    """What is asked of Windows' service manager. Each raises CrmServiceError with Windows' own words."""

    def install(self, wanted: Installation) -> None:
        """Create the service, or change it; restarted by Windows when it dies."""

    def remove(self) -> bool:
        """Stop and delete the service; whether there was one."""

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """Stop it and wait until it has stopped."""

    def status(self) -> str:
        """Its state in a word: ``running``, ``stopped``, ``starting``, ``stopping``, ``not installed``."""


def installation(home: Path, startup: str, account: str, password: Secret | None) -> Installation:
    """The wish, checked. Raises BadConfiguration: a named account needs its password, a built-in one has none."""
    if startup not in ("auto", "delayed", "manual", "disabled"):
        raise BadConfiguration("{startup}: the start-up mode is auto, delayed, manual or disabled", startup=startup)
    built_in = _BUILT_IN.get(account.replace(" ", "").rpartition("\\")[2].lower())
    if built_in is not None:
        if password is not None:
            raise BadConfiguration("{account} has no password", account=built_in)
        return Installation(home, startup, built_in)  # type: ignore[arg-type]  # one of the four, just checked
    if password is None:
        raise BadConfiguration(
            "the account {account} needs its password: --password-env NAME, or --password-file FILE", account=account
        )
    named = account if "\\" in account or "@" in account else f".\\{account}"
    return Installation(home, startup, named, password)  # type: ignore[arg-type]  # as above


def calls() -> Calls:
    """Windows' service manager. Raises NoWindows."""
    if sys.platform == "win32":  # pragma: no cover (no Windows where this is tested)
        from crmservice.service import win32

        return win32.Calls()
    raise NoWindows
