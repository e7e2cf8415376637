"""The systemd unit of the service: hardened, its text made from what the home says (TRUST.md D.8; systemd.exec(5)).

Pure: from facts to text. ``service.linux`` writes it and speaks to systemctl.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crmservice.config import Settings, load_boxes, load_settings
from crmservice.errors import BadConfiguration

NAME = "crmservice.service"
STATE = Path("/var/lib/crmservice")
USER = "crmservice"

_LOWEST_FREE_PORT = 1024
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ProtectHome=yes hides from the service."""

_HARDENING = """\
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
DevicePolicy=closed
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
LimitCORE=0
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit needs to know.

    ``command``: the program, absolute. ``writable``: folders outside the home that the service writes in (import
    folders, backups). ``credentials``: name -> file, read by a secret ``file:NAME``. ``ports``: where it listens.
    """

    command: Path
    home: Path = STATE
    user: str = USER
    writable: tuple[Path, ...] = ()
    credentials: tuple[tuple[str, Path], ...] = ()
    ports: tuple[int, ...] = ()
    language: str = ""

    def text(self) -> str:
        """The unit file. Raises BadConfiguration where the hardening would hide what it needs."""
        self._check()
        return "\n".join([*self._head(), "", *self._service(), _HARDENING, *self._tail()])

    def _check(self) -> None:
        for path in (self.command, self.home, *self.writable):
            if hidden := _hidden(path):
                raise BadConfiguration(
                    "{path} lies below {hidden}, which the service can't see (ProtectHome): "
                    "move it, for example to /opt/crmservice, /var/lib/crmservice or /srv",
                    path=path,
                    hidden=hidden,
                )
        for value in (self.user, *map(str, (self.command, self.home, *self.writable))):
            if not value.isprintable() or '"' in value or "%" in value:
                raise BadConfiguration("{value}: such a name can't stand in a unit file", value=value)

    def _head(self) -> Sequence[str]:
        return (
            "# Written by 'crmservice service install'; what differs on this machine goes into a drop-in:",
            f"# systemctl edit {NAME}",
            "[Unit]",
            "Description=CRMService: turns a company's e-mail into CRM activities",
            "Documentation=man:systemd.exec(5)",
            "Wants=network-online.target",
            "After=network-online.target postgresql.service",
            "StartLimitIntervalSec=0",
        )

    def _service(self) -> Iterable[str]:
        yield "[Service]"
        yield "Type=notify"
        yield "NotifyAccess=main"
        yield f"User={self.user}"
        yield f"Group={self.user}"
        yield f'ExecStart="{self.command}" --home "{self.home}" run'
        # The shell's own kill: a small Debian has no procps.
        yield "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'"
        yield "KillMode=mixed"
        yield "TimeoutStartSec=120"
        yield "TimeoutStopSec=20"
        yield "WatchdogSec=120"
        yield "Restart=always"
        yield "RestartSec=5"
        # A bad configuration is mended by a person, not by another start.
        yield "RestartPreventExitStatus=78"
        yield "MemoryMax=2G"
        yield "TasksMax=512"
        if self.home == STATE:
            yield f"StateDirectory={STATE.name}"
            yield "StateDirectoryMode=0700"
        yield from (f'ReadWritePaths="-{path}"' for path in self._writable())
        yield from (f"LoadCredential={name}:{file}" for name, file in self.credentials)
        if self.language:
            yield f"Environment=CRMSERVICE_LANGUAGE={self.language}"

    def _writable(self) -> list[Path]:
        inside = [] if self.home == STATE else [self.home]
        return [*inside, *(path for path in dict.fromkeys(self.writable) if not path.is_relative_to(self.home))]

    def _tail(self) -> Iterable[str]:
        if any(port < _LOWEST_FREE_PORT for port in self.ports):
            # A port below 1024 needs this right; in a user namespace of its own it would not count.
            yield "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"
            yield "AmbientCapabilities=CAP_NET_BIND_SERVICE"
        else:
            yield "CapabilityBoundingSet="
            yield "AmbientCapabilities="
            yield "PrivateUsers=yes"
        yield ""
        yield "[Install]"
        yield "WantedBy=multi-user.target"
        yield ""


def _hidden(path: Path) -> Path | None:
    return next((place for place in _HIDDEN if path == place or path.is_relative_to(place)), None)


def of_home(home: Path, command: Path, user: str, credentials: tuple[tuple[str, Path], ...]) -> Unit:
    """The unit that the boxes of this home need: their import folders may be written in, their ports listened at."""
    settings = load_settings(home, os.environ).settings
    boxes = load_boxes(home, settings, os.environ).boxes if home.is_dir() else ()
    folders = tuple(box.eml_dir for box in boxes if box.eml_dir is not None)
    listened = [*(box.smtp_listen for box in boxes), *_listened(settings)]
    ports = tuple(int(place.rpartition(":")[2]) for place in listened if place)
    return Unit(command, home, user, folders, credentials, ports)


def _listened(settings: Settings) -> tuple[str, ...]:
    return (settings.web,)
