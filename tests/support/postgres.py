"""A throw-away PostgreSQL: a socket in a temporary folder, nothing kept, no fsync."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "crm"
_FAST = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c listen_addresses= -c max_connections=40"
SURE = "-c fsync=off -c listen_addresses= -c max_connections=40"
"""What was committed outlives the server's death, if not the machine's."""


class NoPostgres(RuntimeError):
    """There is no PostgreSQL on this machine: install the package postgresql."""


@contextmanager
def postgres(options: str = _FAST) -> Iterator[str]:
    """Run a server and give its folder: ``url`` makes URLs of it."""
    folder = tempfile.mkdtemp(prefix="crm-pg-", dir="/tmp")
    if os.geteuid() == 0:
        os.chown(folder, *_other_user())
    init = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    try:
        _run(folder, "initdb", *init)
        start(folder, options)
        try:
            yield folder
        finally:
            stop(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(folder: str, options: str = _FAST) -> None:
    """Start the server; back when it takes connections."""
    _run(folder, "pg_ctl", "start", "-w", "-l", f"{folder}/log", "-o", f"{options} -k {folder}")


def stop(folder: str) -> None:
    """End it at once, as a crash does: whoever is connected is cut off. Nothing where it does not run."""
    if Path(folder, "data", "postmaster.pid").exists():
        _run(folder, "pg_ctl", "stop", "-w", "-m", "immediate")


def url(folder: str, database: str) -> str:
    """The URL of a database of the server with its socket in this folder."""
    return f"postgresql://{USER}@/{database}?host={folder}"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise NoPostgres(NoPostgres.__doc__)
    return found[-1].parent if found else Path(str(on_path)).parent


def _other_user() -> tuple[int, int]:
    """The server refuses to run as root: somebody else owns the folder and runs it."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return user.pw_uid, user.pw_gid
    raise NoPostgres("no user to run it as")


def _run(folder: str, program: str, *arguments: str) -> None:
    command = [str(_binaries() / program), "-D", f"{folder}/data", *arguments]
    if os.geteuid() == 0:
        user, group = _other_user()
        command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *command]
    # From "/" because the other user may not enter the current folder.
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd="/", timeout=120, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr or done.stdout}")
