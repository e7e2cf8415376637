"""What was decided in the past, and the CRM as it was before a message arrived: for replay (SPEC 13.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from crmservice.crm.directory import Directory, Wanted
from crmservice.pipeline.gateway import CrmGateway, Outcome, Waiting
from crmservice.store import bulk, models
from crmservice.store.access import scope_text
from crmservice.store.database import refresh
from crmservice.store.gateway import StoreGateway
from crmservice.store.trails import read_log

Filed = tuple[int, str, int | None, int | None, str | None, str, str]
"""What is compared of an activity: responsible, direction, contract, order, task, type, scope."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Past:
    """A message as it was decided: log words and activities; ``touched`` if it had any effect."""

    row: Waiting
    subject: str
    log: tuple[str, ...]
    filed: tuple[Filed, ...]
    touched: bool


class StoreHistory:
    """The past of the inbox."""

    def past(self, box: str, since: date | None) -> Iterator[Past]:
        """Decided messages of a box with a backup, in order of arrival, page by page; ``since`` is a local day."""
        rows = models.Message.objects.filter(box=box).exclude(verdict__in=("", "set_aside")).exclude(path="")
        if since is not None:
            rows = rows.filter(day__gte=since)
        last = 0
        names = ("id", "path", "sha256", "arrived", "attempts", "subject", "log")
        while True:
            refresh()
            page = list(rows.filter(id__gt=last).order_by("id").values_list(*names)[:_PAGE])
            if not page:
                return
            yield from _pasts(box, page)
            last = page[-1][0]

    def gateway_before(self, row: int) -> CrmGateway:
        """The CRM as it was before this message arrived, to look things up alone."""
        return _Before(row)


def _pasts(box: str, page: Sequence[tuple[Any, ...]]) -> Iterator[Past]:
    ids = [row[0] for row in page]
    filed = _filed(ids)
    touched = {
        key for (key,) in bulk.query_in("SELECT DISTINCT message_id FROM crm_effect WHERE message_id IN {in}", ids)
    }
    for key, path, sha256, arrived, attempts, subject, log in page:
        waiting = Waiting(key, box, path, sha256, arrived, attempts)
        yield Past(waiting, subject, read_log(log), tuple(filed.get(key, ())), key in touched)


def _filed(ids: Sequence[int]) -> dict[int, list[Filed]]:
    names = ("message", "responsible", "direction", "contract", "order", "task__number", "type__name", "scope_level")
    found: dict[int, list[Filed]] = {}
    for message, *rest, level in models.Activity.objects.filter(message__in=ids).order_by("id").values_list(*names):
        found.setdefault(message, []).append((*rest, scope_text(level)))
    return found


class _Before:
    """A look at the CRM without what this message and later ones did.

    Effects tell what that was: tasks, forbidden addresses and invitations that were made, and the turns and
    thread filings that changed. What people changed by hand since then stands as it is now.
    """

    def __init__(self, row: int) -> None:
        self._row = row
        self._gateway = StoreGateway()

    def directory_for(self, wanted: Wanted, rows: Sequence[int]) -> Directory:
        """The directory of now, less what came later."""
        now = self._gateway.directory_for(wanted, rows)
        made = self._made()
        tasks = {number: task for number, task in now.tasks.items() if task.number not in made["task"]}
        return replace(
            now,
            seen={
                key: kept
                for key, found in now.seen.items()
                if (kept := tuple(s for s in found if s.message < self._row))
            },
            tasks=tasks,
            problems={problem: number for problem, number in now.problems.items() if number in tasks},
            forbidden=now.forbidden - made["forbiddenemail"],
            invitations={place: one for place, one in now.invitations.items() if place not in made["invitation"]},
            turns={shared: user for shared, user in {**now.turns, **self._turns()}.items() if user is not None},
            last_task_number=self._last_task_number(),
        )

    def apply(self, outcomes: Sequence[Outcome]) -> None:  # noqa: ARG002 (the protocol's name)
        """The past can't be written. Raises TypeError."""
        msg = "the CRM as it was can only be looked at"
        raise TypeError(msg)

    def _made(self) -> dict[str, set[Any]]:
        """What this message and later ones made, by table, as a look-up knows it."""
        sql = (
            'SELECT "table", after FROM crm_effect WHERE message_id >= %s AND before = %s'
            " AND \"table\" IN ('task', 'forbiddenemail', 'invitation')"
        )
        made: dict[str, set[Any]] = {"task": set(), "forbiddenemail": set(), "invitation": set()}
        for table, after in bulk.query(sql, [self._row, ""]):
            facts = json.loads(after)
            made[table].add(facts[0] if table == "task" else tuple(facts[: 3 if table == "invitation" else 2]))
        return made

    def _turns(self) -> dict[int, int | None]:
        """Who had the last turn before the first later one."""
        sql = 'SELECT "row", before FROM crm_effect WHERE message_id >= %s AND "table" = %s ORDER BY message_id DESC, n DESC'
        return {
            int(row): json.loads(before)["last_user_id"]
            for row, before in bulk.query(sql, [self._row, "sharedaddress"])
        }

    def _last_task_number(self) -> int:
        made = {int(number) for number in self._made()["task"] if number.isdecimal()}
        rows = models.Task.objects.exclude(value__isnull=True).exclude(value__in=made).order_by("-value")
        return rows.values_list("value", flat=True).first() or 0
