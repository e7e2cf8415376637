#!/usr/bin/env python3
"""A full mailbox on a real Dovecot, taken in by ``crmservice run --once``: backlog.py [--mails N] [pop3|imap ...].

Prints messages a second (clock), CPU of the command and of the mail server, sessions, and the memory of the command
(summed PSS of its process tree) at several moments: flat is what it should be. Needs root and Dovecot, as the tests do.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import generate
from measure import pss, tree

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from tests.support import dovecot  # noqa: E402 (benchmarks are scripts: the tests' server is reached by its path)

USER = "crm@firma.cz"
MIB = 1024 * 1024
BOX_XML = """<?xml version="1.0" encoding="utf-8" ?>
<configuration>
  <appSettings>
    <add key="pop3Email" value="{user}" />
    <add key="rules" value="safe" />
    <add key="bulkMail" value="list" />
    <add key="tlsCaFile" value="{ca}" />
    <add key="{kind}Url" value="localhost:{port}" />
    <add key="{kind}Name" value="{user}" />
    <add key="{kind}Password" value="{password}" />
  </appSettings>
</configuration>
"""


class Watch:
    """Looks at a process tree and the mailbox now and then: seconds, messages left, PSS in bytes."""

    def __init__(self, root: int, mailbox: Path, every: float) -> None:
        self.root, self.mailbox, self.every = root, mailbox, every
        self.seen: list[tuple[float, int, int]] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        started = time.monotonic()
        while not self.done.wait(self.every):
            left = sum(1 for part in ("new", "cur") for _file in (self.mailbox / part).iterdir())
            self.seen.append((time.monotonic() - started, left, sum(map(pss, tree(self.root)))))

    def stop(self) -> list[tuple[float, int, int]]:
        """What was seen."""
        self.done.set()
        self.thread.join()
        return self.seen


def fill(server: dovecot.Dovecot, mails: Path) -> int:
    """Put each mail into the mailbox under a name such as Dovecot's own delivery gives; how many there are."""
    server.empty()
    server.deliver(b"", name="first")  # makes the folders
    folder = server.maildir(USER) / "cur"
    (server.maildir(USER) / "new" / "first").unlink()
    files = sorted(mails.iterdir())
    for number, file in enumerate(files):
        raw = file.read_bytes()
        path = folder / f"{1_700_000_000 + number}.M{number}P1.bench,S={len(raw)},W={len(raw)}:2,"
        path.write_bytes(raw)
        os.chown(path, dovecot.MAIL_ID, dovecot.MAIL_ID)
    return len(files)


def cpu_below(root: int) -> float:
    """CPU seconds of a process and all it waited for, and of what runs below it."""
    ticks = 0
    for pid in tree(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def made_home(server: dovecot.Dovecot, kind: str, scratch: Path, records: Path, command: list[str]) -> Path:
    """A fresh home with the company's records and one box on the server."""
    home = scratch / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    port = server.ports["pop3s" if kind == "pop3" else "imaps"]
    ca, password = server.certificates.ca, server.password
    (home / "crm.xml").write_text(
        BOX_XML.format(user=USER, ca=ca, kind=kind, port=port, password=password), encoding="utf-8"
    )
    (home / "crm.xml").chmod(0o600)
    subprocess.run([*command, "--home", str(home), "load", str(records)], check=True, stdout=subprocess.DEVNULL)
    return home


def backlog(server: dovecot.Dovecot, home: Path, count: int, command: list[str]) -> dict[str, object]:
    """One run over a full mailbox."""
    log = server.base / "dovecot.log"
    logins = log.read_text().count("Info: Login:")
    before = cpu_below(server.process.pid)
    started = time.monotonic()
    with subprocess.Popen([*command, "--home", str(home), "run", "--once"]) as process:
        watch = Watch(process.pid, server.maildir(USER), max(0.5, count / 5000))
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    seen = watch.stop()
    if process.returncode or server.left():
        raise RuntimeError(f"exit code {process.returncode}, {len(server.left())} messages left")
    cpu = used.ru_utime + used.ru_stime
    return {
        "mails": count,
        "mails_per_second": round(count / wall, 1),
        "cpu_ms_a_mail": round(cpu / count * 1000, 3),
        "server_cpu_ms_a_mail": round((cpu_below(server.process.pid) - before) / count * 1000, 3),
        "sessions": log.read_text().count("Info: Login:") - logins,
        "peak_mib": round(max(memory for _at, _left, memory in seen) / MIB, 1),
        "seconds_left_mib": [
            (round(at, 1), left, round(memory / MIB, 1)) for at, left, memory in seen[:: max(1, len(seen) // 12)]
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kinds", nargs="*", choices=["pop3", "imap", []], default=[])
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--median", type=int, default=generate.MEDIAN, help="bytes of a mail; the mean is 23/6 of it")
    parser.add_argument("--crmservice", default="crmservice", help="the command, split as a shell splits it")
    parser.add_argument("--scratch", type=Path, help="where to work: a folder on the disk to be measured")
    given = parser.parse_args()
    if reason := dovecot.why_not():
        print(f"SKIPPED: {reason}")
        return 0
    command = shlex.split(given.crmservice)
    with tempfile.TemporaryDirectory(prefix="crmservice-backlog-", dir=given.scratch) as folder:
        scratch = Path(folder)
        generate.write(scratch / "data", given.mails, median=given.median)
        (scratch / "dovecot").mkdir()
        server = dovecot.start(scratch / "dovecot")
        try:
            scratch.chmod(0o755)
            for kind in given.kinds or ["pop3", "imap"]:
                count = fill(server, scratch / "data" / "mails")
                home = made_home(server, kind, scratch, scratch / "data" / "records.json", command)
                print(kind, json.dumps(backlog(server, home, count, command)), flush=True)
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
