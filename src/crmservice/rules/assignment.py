"""15.7, 10-12  Markers such as "Zakázka:123 Dokumentace p2" say where the activity belongs.

The first number of each kind that the CRM knows wins; type and scope stand behind it. Without a marker a
reply takes what its thread knows, as a suggestion (``safe``: at once if the sender took part).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crmservice.pipeline.assignment import assignment as assigned
from crmservice.pipeline.rule import Answer, Assignment, Case, go_on, not_mine


def assignment(case: Case) -> Answer:
    """Go on with contract, order, task, type and scope found."""
    result = assigned(case)
    if result == Assignment():
        unknown = [marker.numbers[0] for marker in case.reading.markers]
        return not_mine("number-unknown", numbers=unknown[:10]) if unknown else not_mine("no-marker")
    evidence = {"order": result.order, "task": result.task, "type": result.type, "scope": result.scope}
    shown: dict[str, Any] = {name: value for name, value in {"contract": result.contract, **evidence}.items() if value is not None}
    return go_on("assigned", found=replace(case.found, assignment=result), **shown)
