"""15.7, 10-12  Markers such as "Zakázka:123 Dokumentace p2" say where the activity belongs.

The first number of each kind that the CRM knows wins; type and scope stand behind it. Without a marker a
reply takes what its thread knows, as a suggestion (``safe``: at once if the sender took part).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from crmservice.crm.records import Contract, Order
from crmservice.pipeline.assignment import assignment as assigned
from crmservice.pipeline.assignment import unknown_numbers
from crmservice.pipeline.rule import Answer, Assignment, Case, go_on, not_mine


def assignment(case: Case) -> Answer:
    """Go on with contract, order, task, type and scope found."""
    result, unknown = assigned(case), unknown_numbers(case)[:10]
    if result == Assignment():
        return not_mine("number-unknown", numbers=unknown) if unknown else not_mine("no-marker")
    shown: dict[str, Any] = {name: value for name, value in _shown(case, result) if value is not None}
    return go_on("assigned", found=replace(case.found, assignment=result), **shown)


def _shown(case: Case, result: Assignment) -> tuple[tuple[str, str | None], ...]:
    """What was found, by number where the marker named one (a thread knows its contract by its key alone)."""
    contract = _number(case.directory.contracts.values(), result.contract)
    order = _number(case.directory.orders.values(), result.order)
    suggested = ", ".join(suggestion.target for suggestion in result.suggestions) or None
    found = (("contract", contract), ("order", order), ("task", result.task), ("type", result.type))
    nobody_has = ", ".join(unknown_numbers(case)[:10]) or None
    return (*found, ("scope", result.scope), ("suggested", suggested), ("unknown", nobody_has))


def _number(records: Iterable[Contract | Order], key: int | None) -> str | None:
    return next((record.number for record in records if record.id == key), str(key) if key is not None else None)
