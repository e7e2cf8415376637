"""What waits, what was set aside, what is to be sent, in numbers: for status, metrics and alarms."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from crmservice.store import bulk
from crmservice.store.database import reading


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """A box's messages. ``verdicts``: how many of each, waiting ones left out; ``today``: those of one day.

    ``oldest``: arrival of the oldest that waits; ``newest``: the last arrival (UTC).
    """

    verdicts: dict[str, int] = field(default_factory=dict)
    today: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """Work that comes again: when it began and ended last (UTC), and whether it went well."""

    name: str
    began: datetime | None
    ended: datetime | None
    ok: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything counted at one moment. ``outgoing`` and ``notices``: state -> how many."""

    boxes: dict[str, BoxCounts]
    outgoing: dict[str, int]
    notices: dict[str, int]
    jobs: tuple[JobState, ...]


def counts(today: date) -> Counts:
    """Count now; ``today`` is the day that counts as such. Raises DatabaseUnavailable."""
    with reading():
        return Counts(
            boxes=_boxes(today),
            outgoing=_by_state("crm_outgoing"),
            notices=_by_state("crm_notice"),
            jobs=tuple(
                JobState(name, bulk.aware(began), bulk.aware(ended), bool(ok))
                for name, began, ended, ok in bulk.query("SELECT name, began, ended, ok FROM crm_job ORDER BY name")
            ),
        )


def _boxes(today: date) -> dict[str, BoxCounts]:
    verdicts: dict[str, dict[str, int]] = {}
    sql = "SELECT box, verdict, count(*) FROM crm_message WHERE verdict <> '' GROUP BY box, verdict"
    for box, verdict, count in bulk.query(sql):
        verdicts.setdefault(box, {})[verdict] = count
    waiting = {
        box: (count, bulk.aware(oldest))
        for box, count, oldest in bulk.query(
            "SELECT box, count(*), min(arrived) FROM crm_message WHERE verdict = '' GROUP BY box"
        )
    }
    names = {*verdicts, *waiting}
    return {
        name: BoxCounts(verdicts.get(name, {}), _of_day(name, today), *waiting.get(name, (0, None)), _newest(name))
        for name in sorted(names)
    }


def _of_day(box: str, day: date) -> dict[str, int]:
    sql = "SELECT verdict, count(*) FROM crm_message WHERE box = %s AND day = %s AND verdict <> '' GROUP BY verdict"
    return dict(bulk.query(sql, [box, day.isoformat()]))


def _newest(box: str) -> datetime | None:
    rows = bulk.query("SELECT arrived FROM crm_message WHERE box = %s ORDER BY id DESC LIMIT 1", [box])
    return bulk.aware(rows[0][0]) if rows else None


def _by_state(table: str) -> dict[str, int]:
    sql = f"SELECT state, count(*) FROM {table} GROUP BY state"  # noqa: S608 (our own names)
    return {str(state): int(count) for state, count in bulk.query(sql)}
