from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.company import company_file, new_home

__all__ = ["company_file", "new_home"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("notices") / "certificates")


@pytest.fixture
def home(new_home: Callable[[], Path]) -> Path:
    """A home folder, connected to a store with a company in it."""
    return new_home()
