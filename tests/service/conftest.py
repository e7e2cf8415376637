"""The service's parts on a real store: a company's home with the embedded database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.desk import Desk
from tests.service.running import Listen, listeners
from tests.support.company import company_file, new_home

__all__ = ["company_file", "new_home"]


@pytest.fixture
def home(new_home: Callable[[], Path]) -> Path:
    """A home of COMPANY, connected."""
    return new_home()


@pytest.fixture
def desk(home: Path) -> Desk:
    """Capture and filing in that home."""
    return Desk(home)


@pytest.fixture
def listen(desk: Desk, tmp_path: Path) -> Iterator[Listen]:
    """Starts the listener of the desk's box."""
    with listeners(desk, tmp_path) as start:
        yield start
