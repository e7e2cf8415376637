"""Simulate: what a switch of ``rules`` would have changed (SPEC 13.11).

Both modes decide every message of the last days as of its own arrival, on the same records: what comes out otherwise
is due to the switch alone. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Literal

from crmservice.config import Box
from crmservice.crm.records import CreateActivity, Intent, JoinThread
from crmservice.pipeline.explained import as_json
from crmservice.pipeline.past import Past
from crmservice.pipeline.rule import Decision, Step
from crmservice.service.replaying import Replay

Rules = Literal["manual", "safe"]


@dataclass(frozen=True, slots=True)
class Side:
    """How a message comes out in one mode: its log words, activities, and what else it does (names of intents)."""

    log: tuple[str, ...]
    activities: int
    effects: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"log": list(self.log), "activities": self.activities, "effects": list(self.effects)}


@dataclass(frozen=True, slots=True)
class Switched:
    """A message that the other mode decides otherwise. ``reason``: the first step of its trail that says otherwise.

    ``differs``: what of it differs: ``log``, ``effects``, or a field of an activity.
    """

    past: Past
    was: Side
    would: Side
    differs: tuple[str, ...]
    reason: Step

    def as_json(self) -> dict[str, Any]:
        """Plain JSON for ``simulate --json``."""
        return {
            "id": str(self.past.row.id),
            "backup": self.past.row.path,
            "subject": self.past.subject,
            "was": self.was.as_json(),
            "would": self.would.as_json(),
            "differs": list(self.differs),
            "reason": as_json(self.reason),
        }


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it for one box: how many messages were looked at, and those that would come out otherwise."""

    box: str
    was: str
    would: str
    messages: int
    switched: tuple[Switched, ...]


def simulate(today: Replay, other: Replay, boxes: Sequence[Box], rules: Rules, since: date) -> Iterator[Simulation]:
    """What each box's messages since a day would come to with ``rules``; a box that has them already is left out.

    ``today`` and ``other`` are two replays of the same store, each with a history of its own.
    """
    for box in boxes:
        if box.rules != rules:
            yield _of_box(today, other, box, rules, since)


def _of_box(today: Replay, other: Replay, box: Box, rules: Rules, since: date) -> Simulation:
    now, then = {box.name: box}, {box.name: replace(box, rules=rules)}
    count, found = 0, []
    for (past, was), (_, would) in zip(today.decided(now, since), other.decided(then, since), strict=True):
        count += 1
        if differs := _differs(was, would):
            found.append(Switched(past, _side(was), _side(would), differs, _reason(was, would)))
    return Simulation(box.name, box.rules, rules, count, tuple(found))


def _side(decision: Decision) -> Side:
    effects = tuple(dict.fromkeys(type(intent).__name__ for intent in _effects(decision)))
    return Side(decision.log, len(_activities(decision)), effects)


def _differs(was: Decision, would: Decision) -> tuple[str, ...]:
    """What differs; nothing where both come to the same."""
    found = ["log"] if was.log != would.log else []
    if _effects(was) != _effects(would):
        found.append("effects")
    mine, others = _activities(was), _activities(would)
    if mine.keys() != others.keys():
        found.append("activities")
    for user in mine.keys() & others.keys():
        pairs = ((field.name, getattr(mine[user], field.name), getattr(others[user], field.name)) for field in _FIELDS)
        found += [name for name, one, another in pairs if one != another]
    return tuple(dict.fromkeys(found))


_FIELDS = tuple(field for field in fields(CreateActivity) if field.name != "thread")


def _activities(decision: Decision) -> Mapping[int, CreateActivity]:
    return {intent.responsible: intent for intent in decision.intents if isinstance(intent, CreateActivity)}


def _effects(decision: Decision) -> list[Intent]:
    return [intent for intent in decision.intents if not isinstance(intent, CreateActivity | JoinThread)]


def _reason(was: Decision, would: Decision) -> Step:
    """The first step that matched and says something else than it did; where there is none, the last one: it files."""
    said = {step.rule: step for step in was.trail}
    return next((step for step in would.trail if step.matched and said.get(step.rule) != step), would.trail[-1])
