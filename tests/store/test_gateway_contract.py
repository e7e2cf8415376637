"""Both gateways pass the contract that comes with the package."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connections

from crmservice.pipeline.gateway import CrmGateway, Waiting
from crmservice.pipeline.memory import MemoryGateway
from crmservice.store import tables
from crmservice.store.gateway import StoreGateway
from crmservice.testing.gateway_contract import NOON, TABLES, GatewayContract


class TestStore(GatewayContract):
    """The store, on each database."""

    @pytest.fixture
    def gateway(self, home: Path) -> CrmGateway:
        tables.load(TABLES)
        return StoreGateway()

    def elsewhere(self, action: Callable[[], object]) -> None:
        def with_a_connection_of_its_own() -> None:
            try:
                action()
            finally:
                connections.close_all()

        super().elsewhere(with_a_connection_of_its_own)


class TestMemory(GatewayContract):
    """The CRM in memory."""

    @pytest.fixture
    def gateway(self) -> CrmGateway:
        return MemoryGateway.from_tables(TABLES)

    @pytest.fixture
    def row(self) -> Callable[[], Waiting]:
        count = itertools.count(1)
        return lambda: Waiting(next(count), "crm", "", "", NOON)
