"""Secrets that a home makes for itself: files of 32 random bytes beside each other, for the service's account alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from crmservice.store import database

BYTES = 32


def secret(name: str) -> bytes:
    """The home's secret of this name (``.crmservice/NAME.key``), made where it is missing. Raises OSError.

    Durable before it is used: what it signed can be held against it after a power cut.
    """
    return known(name) or _made(path(name))


def known(name: str) -> bytes:
    """The home's secret of this name; empty where none was made yet."""
    try:
        return path(name).read_bytes()
    except FileNotFoundError:
        return b""


def path(name: str) -> Path:
    """Where the secret of this name is kept."""
    return database.home() / database.PRIVATE / f"{name}.key"


def _made(file: Path) -> bytes:
    """A new secret, or the one that another process made at the same time."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    # A link fails where there is one already, a rename would replace it.
    with contextlib.suppress(FileExistsError):
        os.link(fresh, file)
    fresh.unlink()
    return file.read_bytes()
