"""The commands there are."""

from __future__ import annotations

import pytest

from crmservice.cli.app import COMMANDS


@pytest.fixture(scope="session")
def commands() -> frozenset[str]:
    """The subcommands of ``crmservice``."""
    return frozenset(COMMANDS)
