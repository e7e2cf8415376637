from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import strace
from tests.faults.place import Place, mailbox_keys, make_place, make_template
from tests.faults.scene import Scene, scene
from tests.faults.warm import Warm, warm_parent
from tests.support import dovecot

Figures = Callable[[str, str], None]
"""Notes what was tried, under a scenario's number (``C1``), and what it came to: printed when all tests are done."""


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


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """The parent that workers are forked from."""
    with warm_parent(tmp_path_factory.mktemp("warm") / "said.txt") as parent:
        yield parent


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


@pytest.fixture
def on_stub(warm: Warm, template: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A home whose box fetches from a server of ours; the parameter is the protocol."""
    with scene(warm, template, tmp_path / "home", request.param) as ready:
        yield ready


@pytest.fixture
def traces() -> None:
    """Where strace can't be used, a test that needs it is skipped, and says why."""
    if reason := strace.why_not():
        pytest.skip(reason)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    return lambda number, text: record_property("figures", f"{number}  {text}")
