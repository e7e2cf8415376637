"""A message as it was decided before: what replay holds today's rules against (SPEC 13.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from crmservice.pipeline.gateway import CrmGateway, Waiting

Filed = tuple[int | None, str, int | None, int | None, str | None, str | None, str]
"""What is compared of an activity: responsible, direction, contract, order, task (number), type, scope."""


@dataclass(frozen=True, slots=True)
class Past:
    """A message as it was decided: log words and activities; ``touched`` if it had any effect."""

    row: Waiting
    subject: str
    log: tuple[str, ...]
    filed: tuple[Filed, ...]
    touched: bool


class History(Protocol):
    """What replay needs of the store."""

    def past(self, box: str, since: date | None) -> Iterator[Past]:
        """Decided messages of a box in order of arrival."""

    def gateway_before(self, row: int) -> CrmGateway:
        """To decide as of then: the CRM as it was before this message arrived. It writes nothing."""

    def gateway_to_add(self, row: int) -> CrmGateway:
        """To write today: only earlier messages count as seen, all else is as it is now."""
