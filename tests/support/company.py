"""Fixtures: companies in real stores. A home folder with the embedded database, made once and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections

from crmservice.store import database, tables
from crmservice.testing.builders import COMPANY


@pytest.fixture(scope="session")
def company_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An embedded database that holds COMPANY and no mail."""
    home = tmp_path_factory.mktemp("company")
    database.connect(home)
    database.migrate()
    tables.load(COMPANY)
    connections.close_all()
    return (home / database.FILE).read_bytes()


@pytest.fixture
def new_home(company_file: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """Makes homes of that company, each connected when made."""

    def make() -> Path:
        connections.close_all()
        home = tmp_path_factory.mktemp("home")
        (home / database.FILE).write_bytes(company_file)
        database.connect(home)
        return home

    yield make
    connections.close_all()
