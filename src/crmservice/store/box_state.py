"""How each box fares: when it was read last, and the fault that lasts (table crm_box_state)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from crmservice.store import bulk, texts
from crmservice.store.database import reading, writing
from crmservice.store.models import BoxState
from crmservice.words import Words, packed, unpacked

Kind = Literal["", "ok", "failing", "paused", "bad-file"]


@dataclass(frozen=True, slots=True)
class State:
    """A box's state. Times are UTC.

    ``tried``: when it had its turn last, also in its pause and while a fault is waited out. ``succeeded``: when its
    sources were read last without a fault.

    ``fault``, ``permanent``, ``failing_since`` and ``failures`` (tries in a row) tell of a fault that lasts. ``kind`` is
    ``bad-file`` while the box's file can't be used: ``fault`` is the file's then, and the box works on as its last
    good file said.
    """

    box: str
    kind: Kind = ""
    tried: datetime | None = None
    succeeded: datetime | None = None
    fault: Words | None = None
    permanent: bool = False
    failing_since: datetime | None = None
    failures: int = 0


_SELECT = "SELECT box, state, tried, succeeded, fault, failing_since, failures FROM crm_box_state"
# What the reader of the box's file said stays said: a cycle knows nothing of it.
_CYCLE = "(box) DO UPDATE SET " + ", ".join(
    [
        *(f"{name} = excluded.{name}" for name in ("tried", "succeeded", "failing_since", "failures")),
        *(
            f"{name} = CASE WHEN crm_box_state.state = 'bad-file' THEN crm_box_state.{name} ELSE excluded.{name} END"
            for name in ("state", "fault")
        ),
    ]
)
_FILE = "(box) DO UPDATE SET state = excluded.state, fault = excluded.fault"


def read(box: str) -> State:
    """The state of a box; one that nobody wrote is empty. Raises DatabaseUnavailable."""
    with reading():
        rows = bulk.query(f"{_SELECT} WHERE box = %s", [box])
    return _state(*rows[0]) if rows else State(box)


def read_all() -> list[State]:
    """The states of all boxes that ever had one, by name. Raises DatabaseUnavailable."""
    with reading():
        return [_state(*row) for row in bulk.query(f"{_SELECT} ORDER BY box")]


def write(state: State) -> None:
    """Write what a cycle came to. Raises DatabaseUnavailable."""
    _write(state, _CYCLE)


def bad_file(box: str, fault: Words) -> None:
    """Say that the box's file can't be used. Raises DatabaseUnavailable."""
    _write(State(box, "bad-file", fault=fault, permanent=True), _FILE)


def good_file(box: str) -> None:
    """Say that the box's file is in order. Raises DatabaseUnavailable."""
    sql = (
        "UPDATE crm_box_state SET state = CASE WHEN failures > 0 THEN 'failing' ELSE 'ok' END, fault = ''"
        " WHERE box = %s AND state = 'bad-file'"
    )
    with writing():
        bulk.execute(sql, [box])


def _write(state: State, conflict: str) -> None:
    names = ("box", "state", "tried", "succeeded", "fault", "failing_since", "failures")
    fault = ""
    if state.fault is not None:
        fault = texts.compact({**cast("dict[str, Any]", packed(state.fault)), "permanent": state.permanent})
    row = (state.box, state.kind, state.tried, state.succeeded, fault, state.failing_since, state.failures)
    with writing():
        bulk.insert(BoxState, *names, conflict=conflict).run([row])


def _state(box: str, kind: str, tried: Any, succeeded: Any, fault: str, since: Any, failures: int) -> State:
    said = json.loads(fault) if fault else None
    return State(
        box,
        cast("Kind", kind),
        bulk.aware(tried),
        bulk.aware(succeeded),
        cast("Words", unpacked(said)) if said else None,
        bool(said and said.get("permanent")),
        bulk.aware(since),
        failures,
    )
