"""A throw-away PostgreSQL: a socket in a temporary folder, nothing kept, no fsync."""

from __future__ import annotations

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


class NoPostgres(RuntimeError):
    """There is no PostgreSQL on this machine: install the package postgresql."""


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server and give its URL without a database: add ``name`` and the query with ``url``."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="crm-pg-", dir="/tmp"))
    as_other = _as_other(folder)
    data = folder / "data"
    try:
        _run(
            [
                *as_other,
                str(binaries / "initdb"),
                "-D",
                str(data),
                "-U",
                USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ]
        )
        start = ["start", "-w", "-D", str(data), "-l", str(folder / "log"), "-o", f"{_FAST} -k {folder}"]
        _run([*as_other, str(binaries / "pg_ctl"), *start])
        try:
            yield str(folder)
        finally:
            _run([*as_other, str(binaries / "pg_ctl"), "stop", "-w", "-m", "immediate", "-D", str(data)])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url(folder: str, database: str) -> str:
    """The URL of a database of the server with its socket in this folder."""
    return f"postgresql://{USER}@/{database}?host={folder}"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise NoPostgres(NoPostgres.__doc__)
    return found[-1].parent if found else Path(str(on_path)).parent


def _as_other(folder: Path) -> list[str]:
    """The server refuses to run as root: run it as another user, who owns the folder."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, user.pw_uid, user.pw_gid)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    raise NoPostgres("no user to run it as")


def _run(command: list[str]) -> None:
    # From "/" because the other user may not enter the current folder.
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd="/", timeout=120, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr or done.stdout}")
