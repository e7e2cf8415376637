"""What became of each message by the rules, to be held against today's, and written anew (SPEC 13.3)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from crmservice.crm.ids import new_id
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.past import OWN_TASK, Filed, Past, Rewriting, Stayed
from crmservice.pipeline.rule import Verdict
from crmservice.store import again, bulk
from crmservice.store.access import scope_text
from crmservice.store.again import Gone
from crmservice.store.before import Before, Earlier
from crmservice.store.database import refresh
from crmservice.store.gateway import StoreGateway
from crmservice.store.kinds import KINDS
from crmservice.store.taking import Taking
from crmservice.store.trails import read_log
from crmservice.store.undo import BY_PEOPLE, By, changing

PAGE = 500
"""Messages read at once."""

_ACTIVITY = KINDS["activity"].made


class StoreHistory:
    """The history of the store that this process is connected to. ``by``: who rewrites it; ``change``: as which change."""

    def __init__(self, by: By | None = None) -> None:
        self._by = by or By()
        self._gateway = StoreGateway()
        self._earlier = Earlier(self._gateway)
        self.change: int | None = None

    def past(self, boxes: Collection[str], since: date | None) -> Iterator[Past]:
        """Decided messages of these boxes in order of arrival.

        But for those that are set aside, were erased, keep their headers alone, or that a person decided (undone,
        processed after all).
        """
        last = 0
        while page := _page(boxes, since, last):
            last = page[-1][0].id
            mine = [(waiting, subject, log) for waiting, subject, log in page if not BY_PEOPLE.intersection(log)]
            filed = _filed([waiting.id for waiting, *_ in mine])
            for waiting, subject, log in mine:
                yield Past(waiting, subject, log, tuple(filed.get(waiting.id, ())))

    def gateway_before(self, row: int) -> Before:
        """To decide as of then: the CRM as it was before this message arrived. It writes nothing."""
        return self._earlier.before(row)

    @contextmanager
    def rewriting(self) -> Iterator[Rewriting]:
        """The next round of a rewriting, in one transaction; all rounds are one change."""
        self.change = self.change or new_id()
        with changing("replay", self._by, change=self.change) as taking:
            yield _Round(taking, self._gateway)
        self._earlier = Earlier(self._gateway)


@dataclass(slots=True)
class _Round:
    """One round: what is to be decided anew is taken back first, the newest first; then each is written in order."""

    taking: Taking
    gateway: StoreGateway
    earlier: Earlier = field(init=False)
    gone: dict[int, Gone] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.earlier = Earlier(self.gateway)

    @property
    def change(self) -> int:
        """The change that all rounds are."""
        return self.taking.change

    def take_back(self, rows: Iterable[int]) -> None:
        """Take back what these messages caused, where it still stands."""
        self.gone = again.take_back(self.taking, rows)
        self.earlier = Earlier(self.gateway)

    def gateway_before(self, row: int) -> Before:
        """To decide as of then."""
        return self.earlier.before(row)

    def replace(self, outcome: Outcome) -> Sequence[Stayed]:
        """Write a decision in the place of the one before."""
        message = outcome.row.id
        changes, gone = self.earlier.later(message), self.gone.get(message, Gone())

        def later(table: str, row: str) -> bool:
            return changes.before(table, row, message + 1) is not None

        again.replace_decision(self.taking, self.gateway, outcome, gone, later)
        return [Stayed(left.what, left.why) for _, left in gone.left]


def _page(boxes: Collection[str], since: date | None, after: int) -> list[tuple[Waiting, str, tuple[str, ...]]]:
    refresh()
    names = ", ".join(["%s"] * len(boxes))
    sql = (
        f"SELECT id, box, path, sha256, arrived, subject, log, source FROM crm_message WHERE box IN ({names})"  # noqa: S608 (places)
        " AND id > %s AND day >= %s AND verdict NOT IN ('', %s) AND path <> '' AND stored_sha256 = '' ORDER BY id LIMIT %s"
    )
    given = [*boxes, after, (since or date.min).isoformat(), Verdict.SET_ASIDE.value, PAGE]
    return [
        (Waiting(key, name, path, sha256, bulk.moment(arrived), source=source), subject, read_log(log))
        for key, name, path, sha256, arrived, subject, log, source in (bulk.query(sql, given) if boxes else ())
    ]


def _filed(messages: Collection[int]) -> dict[int, list[Filed]]:
    """The activities of each message, as the decision that counts made them."""
    sql = (
        'SELECT message_id, "table", "row", "after" FROM crm_effect WHERE "before" = \'\' AND undone_id IS NULL'
        " AND \"table\" IN ('activity', 'task') AND message_id IN {in} ORDER BY id"
    )
    rows = bulk.query_in(sql, messages)
    own = {(message, int(row)) for message, table, row, _ in rows if table == "task"}
    made = [(message, _named(after)) for message, table, _, after in rows if table == "activity"]
    numbers = _numbers({values["task_id"] for _, values in made if values["task_id"] is not None})
    types = dict(bulk.query("SELECT id, name FROM crm_activity_type"))
    found: dict[int, list[Filed]] = {}
    for message, values in made:
        task = values["task_id"]
        number = OWN_TASK if (message, task) in own else numbers.get(task)
        found.setdefault(message, []).append((
            values["responsible_id"], values["direction"], values["contract_id"], values["order_id"], number,
            types.get(values["type_id"]), scope_text(values["scope_level"]),
        ))  # fmt: skip
    return found


def _named(after: str) -> Mapping[str, Any]:
    return dict(zip(_ACTIVITY, json.loads(after), strict=True))


def _numbers(tasks: Collection[int]) -> dict[int | None, str]:
    return dict(bulk.query_in("SELECT id, number FROM crm_task WHERE id IN {in}", tasks))
