from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place, mailbox_keys, make_place, make_template
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


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def on_dovecot(server: dovecot.Dovecot, template: Path, tmp_path: Path) -> Callable[[str], Place]:
    """Makes a home whose box fetches from the (empty) mailbox over this protocol."""
    server.empty()
    return lambda protocol: make_place(template, tmp_path / "home", mailbox_keys(server, protocol), server)


@pytest.fixture
def on_folder(template: Path, tmp_path: Path) -> Place:
    """A home whose box imports from the folder ``tmp_path/in``."""
    (tmp_path / "in").mkdir()
    return make_place(template, tmp_path / "home", {"emlDir": str(tmp_path / "in")})
