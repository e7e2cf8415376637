"""Changes of rows that stood before: read at once, changed in order, each with its effect (HOUSE.md, point 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from crmservice.store import bulk, texts
from crmservice.store.models import Effect

State = dict[str, Any]
Change = Callable[[State], State]


@dataclass(slots=True)
class Effects:
    """What a batch changed. ``first`` says with which number a message's effects begin; ``change``: whose they are."""

    change: int | None = None
    first: dict[int, int] = field(default_factory=dict)
    rows: list[bulk.Row] = field(default_factory=list)
    count: int = 0

    def add(
        self, message: int, table: str, row: int | str, before: Any = None, after: Any = None, *, counts: bool = True
    ) -> None:
        """Note an effect; ``before`` None: the row was made; ``after`` None: it went.

        One that takes another back does not count as the message's (``counts``): both are over.
        """
        n = self.first.get(message, 0)
        self.first[message] = n + 1
        undone = None if counts else self.change
        self.rows.append((message, n, table, str(row), _json(before), _json(after), self.change, undone))

    def stays(self, message: int, table: str, row: int | str) -> bool:  # noqa: ARG002 (for those who come late)
        """Whether the message must leave this row as it is."""
        return False

    def write(self) -> None:
        """Insert them."""
        names = ("message_id", "n", "table", "row", "before", "after", "change_id", "undone_id")
        bulk.insert(Effect, *names).run(self.rows)
        self.count += len(self.rows)
        self.rows.clear()


def _json(value: Any) -> str:
    return "" if value is None else texts.compact(value)


@dataclass(slots=True)
class Changes:
    """Changes of rows of one table. ``names`` are the columns that may change.

    ``supports``: a change that finds its values there already is an effect too (its ``before`` is its ``after``): who
    takes the first one back must know that somebody else wants the same.
    """

    model: type[models.Model]
    names: tuple[str, ...]
    supports: bool = False
    wished: list[tuple[int, int, State | Change]] = field(default_factory=list)

    def add(self, message: int, row: int, change: State | Change) -> None:
        """A message changes a row: to these values, or to what a function makes of the values it finds."""
        self.wished.append((message, row, change))

    @property
    def table(self) -> str:
        """The table as effects call it."""
        return self.model._meta.model_name or ""

    def write(self, effects: Effects) -> None:
        """Apply the changes in their order; a row that is gone meanwhile is passed over."""
        if not self.wished:
            return
        states = self._states({row for _, row, _ in self.wished})
        changed: dict[int, None] = {}
        noted: set[tuple[int, int, tuple[str, ...]]] = set()
        for message, row, change in self.wished:
            if (state := states.get(row)) is None or effects.stays(message, self.table, row):
                continue
            new = change(dict(state)) if callable(change) else change
            different = {name: value for name, value in new.items() if state[name] != value}
            after = new if self.supports else different
            place = (message, row, tuple(after))
            if different or (after and place not in noted):
                before = {name: state[name] for name in after}
                effects.add(message, self.table, row, before, after)
            if different:
                state.update(different)
                changed[row] = None
            noted.add(place)
        rows = ([*(states[row][name] for name in self.names), row] for row in changed)
        bulk.update(self.model, *self.names).run(rows)

    def _states(self, ids: set[int]) -> dict[int, State]:
        states: dict[int, State] = {}
        for chunk in bulk.chunks(ids):
            for state in self.model._default_manager.filter(pk__in=chunk).values("id", *self.names):
                states[state.pop("id")] = state
        return states
