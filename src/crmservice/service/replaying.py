"""Replay: today's rules over the backups, what would differ, and (with apply) only that (SPEC 13.3).

Each message is decided as of its own arrival: later messages, and the tasks that later messages made, are not there
yet. Applied, what differs is taken back where it still stands and written anew, in rounds until nothing differs: a
changed message may change what a later one is decided upon. What others changed since is named and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol

from crmservice.config import Box
from crmservice.pipeline.gateway import CrmGateway, Outcome
from crmservice.pipeline.past import Filed, History, Past, Rewriting, Stayed, filed_by
from crmservice.pipeline.process import Pipeline
from crmservice.pipeline.rule import Decision
from crmservice.words import Words

ROUNDS = 10
"""Rounds after which an applied replay ends, whatever differs still."""

NEVER_FILED = "NEVER FILED"
HEADERS_ALONE = Stayed(Words("mail that is never filed"), Words("it is removed by the look back of neverFile"))
"""What a message would have to lose for good is not replay's to take."""


class Backup(Protocol):
    """Where raw mail is read from."""

    def read(self, path: str) -> bytes:
        """The bytes of a kept mail."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that today's rules decide otherwise: its log words and activities now.

    ``change``: the change that wrote it down; None where nothing was written. ``left``: what stays as it is, because
    others changed it since.
    """

    past: Past
    log: tuple[str, ...]
    filed: tuple[Filed, ...]
    change: int | None = None
    left: tuple[Stayed, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON for ``replay --json``."""
        return {
            "id": str(self.past.row.id),
            "backup": self.past.row.path,
            "subject": self.past.subject,
            "was": {"log": list(self.past.log), "activities": len(self.past.filed)},
            "now": {"log": list(self.log), "activities": len(self.filed)},
            "applied": self.change is not None,
            "change": None if self.change is None else str(self.change),
            "left": [{"what": str(one.what), "why": str(one.why)} for one in self.left],
        }

    def same_as(self, other: Difference | None) -> bool:
        """Whether it comes out as it did before: then there is nothing more to be done."""
        return other is not None and (self.log, self.filed) == (other.log, other.filed)


@dataclass(frozen=True, slots=True)
class Replay:
    """Holds today's rules against what was decided."""

    history: History
    backup: Backup
    pipeline: Pipeline

    def decided(self, boxes: Mapping[str, Box], since: date | None) -> Iterator[tuple[Past, Decision]]:
        """What today's rules decide on every message of these boxes, in order of arrival, as of then.

        One whose backup is gone is passed over: the ledger names it, and there is nothing to hold the rules against.
        """
        for past in self.history.past(boxes, since):
            try:
                raw = self.backup.read(past.row.path)
            except OSError:
                continue
            yield past, self._decide(boxes, past, raw, self.history.gateway_before(past.row.id))

    def differences(self, boxes: Mapping[str, Box], since: date | None) -> Iterator[Difference]:
        """Every message of these boxes that would come out otherwise. Nothing is written."""
        for past, now in self.decided(boxes, since):
            if past.differs(now):
                yield Difference(past, now.log, filed_by(now))

    def apply(self, boxes: Mapping[str, Box], since: date | None) -> list[Difference]:
        """Write down what differs, as one change; each message as it came out in its last round."""
        known: dict[int, Difference] = {}
        for _ in range(ROUNDS):
            found = [one for one in self.differences(boxes, since) if not one.same_as(known.get(one.past.row.id))]
            if not found:
                break
            known |= {one.past.row.id: one for one in self._round(boxes, found)}
        return [known[row] for row in sorted(known)]

    def _round(self, boxes: Mapping[str, Box], found: Sequence[Difference]) -> list[Difference]:
        """One transaction: what differs is taken back, the newest first, then each is decided and written in order."""
        never = [replace(one, left=(HEADERS_ALONE,)) for one in found if NEVER_FILED in one.log]
        wanted = [one for one in found if NEVER_FILED not in one.log]
        if not wanted:
            return never
        with self.history.rewriting() as rewriting:
            rewriting.take_back([one.past.row.id for one in wanted])
            return never + [self._rewrite(boxes, one.past, rewriting) for one in wanted]

    def _rewrite(self, boxes: Mapping[str, Box], past: Past, rewriting: Rewriting) -> Difference:
        raw = self.backup.read(past.row.path)
        now = self._decide(boxes, past, raw, rewriting.gateway_before(past.row.id))
        left = rewriting.replace(Outcome(past.row, boxes[past.row.box], now))
        return Difference(past, now.log, filed_by(now), rewriting.change, tuple(left))

    def _decide(self, boxes: Mapping[str, Box], past: Past, raw: bytes, gateway: CrmGateway) -> Decision:
        pipeline, box = self.pipeline.on(gateway), boxes[past.row.box]
        return pipeline.decide_alone(box, past.row, pipeline.read(raw, box))[1]
