"""Log words and trails as the inbox keeps them: compact JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterable

from crmservice.pipeline.rule import Step
from crmservice.store.texts import compact


def log_json(log: Iterable[str]) -> str:
    """Log words as a JSON list; an empty text for none."""
    words = list(log)
    return compact(words) if words else ""


def read_log(text: str) -> tuple[str, ...]:
    """The log words of ``log_json``."""
    return tuple(json.loads(text)) if text else ()


def trail_json(trail: Iterable[Step]) -> str:
    """A trail as a JSON list of [rule, chapter, matched, code, evidence]; an empty text for none."""
    steps = [(step.rule, step.chapter, step.matched, step.code, step.evidence or None) for step in trail]
    return compact(steps) if steps else ""


def read_trail(text: str) -> tuple[Step, ...]:
    """The steps of ``trail_json``."""
    if not text:
        return ()
    return tuple(
        Step(rule, chapter, matched, code, why or {}) for rule, chapter, matched, code, why in json.loads(text)
    )
