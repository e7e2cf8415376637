"""What became of every message, with the reason: for lists that show more than the inbox's own."""

from __future__ import annotations

from dataclasses import dataclass

from crmservice.pipeline.rule import Step
from crmservice.store import bulk
from crmservice.store.database import refresh
from crmservice.store.trails import read_log, read_trail


@dataclass(frozen=True, slots=True)
class Became:
    """A message by its checksum, its log words in order, and the trail of the rules asked."""

    sha256: str
    box: str
    subject: str
    log: tuple[str, ...]
    trail: tuple[Step, ...]


def outcomes() -> list[Became]:
    """Every message of the inbox in order of arrival; those that wait have no log words."""
    refresh()
    rows = bulk.query("SELECT sha256, box, subject, log, trail FROM crm_message ORDER BY id")
    return [Became(sha256, box, subject, read_log(log), read_trail(trail)) for sha256, box, subject, log, trail in rows]
