"""The two doors of the pipeline: look everything up once, write everything down once (HOUSE.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from crmservice.config import Box
from crmservice.crm.directory import Directory, Wanted
from crmservice.errors import CrmServiceError
from crmservice.pipeline.rule import Decision


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of the inbox that waits for its verdict. ``arrived`` is aware and UTC; ``path`` is below the home.

    ``source``: which way it came, as the source calls itself; empty where that is not known.
    """

    id: int
    box: str
    path: str
    sha256: str
    arrived: datetime
    attempts: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision on a row of the inbox. ``stored``: SHA-256 of the backup, where it keeps the headers alone."""

    row: Waiting
    box: Box
    decision: Decision
    stored: str = ""


class StaleDirectory(CrmServiceError):
    """Another box's batch came between the look-up and the write: decide this batch again."""

    permanent = False


class CrmGateway(Protocol):
    """What the pipeline needs of a CRM store."""

    def directory_for(self, wanted: Wanted, rows: Sequence[int]) -> Directory:
        """Look up what the batch needs: a handful of queries, whatever its size. ``rows``: never seen as earlier."""

    def apply(self, outcomes: Sequence[Outcome]) -> None:
        """Write rows, keys, effects, verdicts and trails of a batch in one transaction.

        Raises StaleDirectory when a key or a task number was taken meanwhile: nothing is written then.
        """
