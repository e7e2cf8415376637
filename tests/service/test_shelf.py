"""The fake keeps the contract of the real sources."""

from __future__ import annotations

import pytest

from crmservice.sources import Source
from crmservice.testing.source_contract import SourceContract
from tests.service.shelf import Shelf, ShelfSource


class TestShelf(SourceContract):
    @pytest.fixture(autouse=True)
    def _shelf(self) -> None:
        self.shelf: Shelf = {}

    def put(self, data: bytes) -> None:
        self.shelf[f"{len(self.shelf):03}"] = data

    def source(self) -> Source:
        return ShelfSource(self.shelf)

    def left(self) -> list[bytes]:
        return list(self.shelf.values())
