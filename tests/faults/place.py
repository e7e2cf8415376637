"""A home, a mailbox on Dovecot, and what must be true of both after any fault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from crmservice import bootstrap
from tests.faults import oracle
from tests.faults.warm import Warm
from tests.support.dovecot import Dovecot
from tests.support.home import Home

COMMAND = (sys.executable, "-m", "crmservice")
BOX = "crm@firma.cz"
RECORDS = {
    "roles": [{"name": "Director", "parent": None}],
    "users": [{"login": "jan", "email": "jan@firma.cz", "role": "Director"}],
    "accounts": [{"name": "ACME", "emails": ["eva@acme.cz"]}],
}


def mail(number: int, extra: str = "", body: str = "Good morning,\r\nhere is what you asked for.\r\n") -> bytes:
    """A customer's mail to a colleague: it makes exactly one activity, called ``Mail 00001 end``."""
    head = (
        f"From: Eva <eva@acme.cz>\r\nTo: jan@firma.cz\r\nSubject: {subject(number)}\r\n"
        f"Message-ID: <mail-{number:05}@acme.cz>\r\nDate: Tue, 24 Nov 2026 08:00:00 +0100\r\n{extra}"
    )
    return f"{head}\r\n{body}{number}\r\n".encode()


def subject(number: int) -> str:
    return f"Mail {number:05} end"


def environment(**more: str) -> dict[str, str]:
    """The environment of a child; a killed one must not leave half of a coverage file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


class Server(Protocol):
    """A mailbox that the service fetches from."""

    def deliver(self, raw: bytes, /) -> None:
        """Put a mail into it."""

    def left(self) -> list[bytes]:
        """What is in it."""


@dataclass
class Place:
    """A home folder. ``sent`` holds every mail that was ever put where the service fetches it, ``warm`` can ask the ledger."""

    home: Path
    server: Server | None = None
    sent: list[bytes] = field(default_factory=list)
    warm: Warm | None = None

    def command(self, *arguments: str) -> list[str]:
        return [*COMMAND, "--home", str(self.home), *arguments]

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int = 0, **env: str) -> str:
        """Run a command to its end; returns what it printed on either stream."""
        done = subprocess.run(
            self.command(*arguments),
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}"
        return done.stdout

    def cycle(self, *, code: int = 0, **env: str) -> str:
        return self.run("run", "--once", code=code, **env)

    def deliver(self, mails: Iterable[bytes]) -> None:
        assert self.server is not None
        for raw in mails:
            self.server.deliver(raw)
            self.sent.append(raw)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database, by a connection of our own."""
        bootstrap.prepare()
        import sqlite3

        connection = sqlite3.connect(self.home / "crmservice.db")
        try:
            return list(connection.execute(sql))
        finally:
            connection.close()

    def messages(self) -> list[tuple[str, str, int]]:
        """SHA-256, verdict and attempts of every row of the inbox."""
        rows = self.query("SELECT sha256, verdict, attempts FROM crm_message")
        return [(str(sha256), str(verdict), int(attempts)) for sha256, verdict, attempts in rows]

    def activities(self) -> Counter[str]:
        """How many activities there are of each subject."""
        return Counter(subject for (subject,) in self.query("SELECT subject FROM crm_activity"))

    def log(self) -> list[str]:
        """Its lines; none where the log is a device: reading /dev/full never ends, until memory does."""
        file = self.home / "CRMService.log"
        return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []

    def backup(self) -> list[Path]:
        return [path for path in (self.home / "POP3Downloads").rglob("*") if path.is_file()]

    def faults(self) -> list[str]:
        """Everything that is not as it must be when all mail was fetched."""
        return oracle.faults(self)

    def ledger(self) -> dict[str, Any]:
        if self.warm is not None:
            return self.warm.ledger(self.home)
        done = subprocess.run(
            self.command("ledger", "--json"), env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))


def make_template(folder: Path) -> Path:
    """A home with its records loaded, to be copied."""
    folder.mkdir()
    records = folder.with_suffix(".json")
    records.write_text(json.dumps(RECORDS))
    Place(folder).run("load", str(records))
    return folder


def make_place(template: Path, home: Path, keys: dict[str, str | list[str]], server: Server | None = None) -> Place:
    """A copy of the template with a box of these keys."""
    shutil.copytree(template, home, dirs_exist_ok=True)
    Home(home).box({"pop3Email": BOX, **keys})
    return Place(home, server)


def mailbox_keys(server: Dovecot, protocol: str) -> dict[str, str | list[str]]:
    """The keys of a box that fetches over ``pop3`` or ``imap``, with TLS."""
    host = f"localhost:{server.ports[protocol + 's']}"
    return {
        f"{protocol}Url": host,
        f"{protocol}Name": BOX,
        f"{protocol}Password": server.password,
        "tlsCaFile": str(server.certificates.ca),
    }


def children(pid: int) -> Sequence[int]:
    """The child processes of a process (Linux)."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
