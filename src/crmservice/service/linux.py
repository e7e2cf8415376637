"""The service on Linux: its user, its folders, its unit, and systemctl (SPEC chapter 10).

Everything that touches the machine goes through ``Machine``, so that it can be tried in a folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from crmservice.errors import BadConfiguration, CrmServiceError
from crmservice.service.unit import NAME, STATE, Unit


class NotAllowed(CrmServiceError):
    """Only root may do this: run it with sudo, or print the unit with --print and give it to who may."""


class NoSystemd(CrmServiceError):
    """systemd does not run on this machine: print the unit with --print, or run 'crmservice run' by what does."""


class Failed(CrmServiceError):
    """A command of the system failed."""


class Commands(Protocol):
    """How commands of the system are run."""

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Run one; its exit code and what it printed on either stream."""


def real_commands(arguments: Sequence[str]) -> tuple[int, str]:
    """Run a command of the system."""
    done = subprocess.run(list(arguments), capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, or a folder that stands for it (``root``)."""

    root: Path = Path("/")
    commands: Commands = field(default=real_commands)

    @property
    def unit_file(self) -> Path:
        """Where the unit stands."""
        return self.root / "etc/systemd/system" / NAME

    def _is_real(self) -> bool:
        return self.root == Path("/")

    def check(self) -> None:
        """Raise NotAllowed or NoSystemd where nothing can be installed."""
        if not self._is_real():
            return
        if os.geteuid() != 0:
            raise NotAllowed
        if not Path("/run/systemd/system").is_dir():
            raise NoSystemd

    def install(self, unit: Unit, *, start: bool) -> list[str]:
        """Make the user and the home, write the unit, switch it on; returns what was done, a line each."""
        self.check()
        text = unit.text()
        done = [*self._user(unit.user), *self._home(unit)]
        self.unit_file.parent.mkdir(parents=True, exist_ok=True)
        self.unit_file.write_text(text, encoding="utf-8")
        done.append(str(self.unit_file))
        self._run("systemctl", "daemon-reload")
        self._run("systemctl", "enable", *(["--now"] if start else []), NAME)
        return done

    def uninstall(self) -> bool:
        """Stop the service and remove its unit; home, user and data stay. Whether there was one."""
        self.check()
        if not self.unit_file.exists():
            return False
        self._run("systemctl", "disable", "--now", NAME)
        self.unit_file.unlink()
        self._run("systemctl", "daemon-reload")
        return True

    def act(self, verb: str) -> None:
        """``start`` or ``stop`` it. Raises BadConfiguration where it is not installed."""
        self.check()
        self._must_be_installed()
        self._run("systemctl", verb, NAME)

    def status(self) -> str:
        """What systemctl says of it."""
        self._must_be_installed()
        return self.commands(["systemctl", "status", "--no-pager", "--lines=5", NAME])[1]

    def _must_be_installed(self) -> None:
        if not self.unit_file.exists():
            raise BadConfiguration(
                "the service is not installed ({file} is missing): crmservice service install", file=self.unit_file
            )

    def _user(self, name: str) -> list[str]:
        if _known(name):
            return []
        self._run("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(STATE),
                  "--shell", "/usr/sbin/nologin", name)  # fmt: skip
        return [f"user {name}"]

    def _home(self, unit: Unit) -> list[str]:
        """The home is the service's alone: it holds mail and passwords."""
        home = self.root / unit.home.relative_to("/")
        new = not home.exists()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        if self._is_real():
            _give(home, unit.user)
        return [str(home)] if new else []

    def _run(self, *arguments: str) -> None:
        code, said = self.commands(arguments)
        if code != 0:
            raise Failed("{command} failed: {said}", command=" ".join(arguments), said=said or code)


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _give(home: Path, user: str) -> None:
    """The home and everything in it to the service's user; links are not followed."""
    owner = pwd.getpwnam(user)
    for place, folders, files in os.walk(home):
        for name in (".", *folders, *files):
            os.chown(Path(place, name), owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def program() -> Path:
    """The command ``crmservice`` of this environment, absolute. Raises BadConfiguration where there is none."""
    import sys

    beside = Path(sys.executable).parent / "crmservice"
    found = beside if beside.exists() else Path(shutil.which("crmservice") or "")
    if not found.is_absolute():
        raise BadConfiguration("the command crmservice is not installed: pip install . in an environment of its own")
    return found
