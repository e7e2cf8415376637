from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import dovecot


@pytest.fixture(scope="session")
def server() -> Iterator[dovecot.Dovecot]:
    if reason := dovecot.why_not():
        pytest.skip(reason)
    # Not pytest's own folders: the mail user must be able to walk there, and they are root's alone.
    with tempfile.TemporaryDirectory(prefix="crmservice-dovecot-") as base:
        running = dovecot.start(Path(base))
        yield running
        running.stop()
