"""Notices: one row for each kind, box and matter that waits to be told (SPEC chapter 10)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError
from django.db.models import F

from crmservice.crm.ids import new_id
from crmservice.store import bulk, texts
from crmservice.store.database import reading, writing
from crmservice.store.models import Notice
from crmservice.words import packed, unpacked

LONGEST_ABOUT = 500
MOST_WAITING = 1000
ROOM = 50
"""Rows kept free for ``OTHERS``: when the rest are taken, a new matter is counted there, one row for each kind."""

OTHERS = "…"
"""The matter that counts what had no room for a row of its own."""

SINCE = "since"

SAME_TROUBLE = timedelta(hours=2)
"""A matter that comes again within this time is the same trouble still: it began when it began."""

KEPT = timedelta(days=400)
KEPT_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Noted:
    """A notice. ``since``: when the trouble began; ``first`` to ``last``: its ``count`` times that were not told yet.

    ``told``: when this trouble was told last, None if never. ``facts`` may hold Words.
    """

    id: int
    kind: str
    box: str
    about: str
    facts: Mapping[str, object]
    since: datetime
    told: datetime | None
    first: datetime
    last: datetime
    count: int
    state: str
    sent: datetime | None


def note(
    kind: str, box: str, about: str, facts: Mapping[str, object], *, once: bool = False, now: datetime | None = None,
    count: int = 1,
) -> bool:  # fmt: skip
    """Add a notice, or count it where the same one waits already. Raises DatabaseUnavailable.

    The fact ``since`` (ISO 8601) is when the trouble began, where the caller knows it. ``once``: not if this matter
    was ever noted before (False then). ``count``: how often it happened.
    """
    said = texts.compact({name: packed(value) for name, value in facts.items() if name != SINCE})
    since = bulk.aware(facts[SINCE]) if SINCE in facts else None
    new = _New(kind, box, texts.storable(about)[:LONGEST_ABOUT], said, now or bulk.now(), count, since)
    try:
        with writing():
            return _note(new, once)
    except IntegrityError:  # another process added the same one meanwhile: now it is there to be counted
        with writing():
            return _note(new, once)


class _New(NamedTuple):
    kind: str
    box: str
    about: str
    facts: str
    now: datetime
    times: int
    since: datetime | None


def _note(new: _New, once: bool) -> bool:
    if once and _before(new) is not None:
        return False
    if not _counted(new):
        _add(new)
    return True


def _counted(new: _New) -> bool:
    """Count it in the row that waits, if there is one."""
    same = Notice.objects.filter(kind=new.kind, box=new.box, about=new.about, state="waiting")
    return same.update(count=F("count") + new.times, last=new.now, facts=new.facts) > 0


def _add(new: _New) -> None:
    waiting = Notice.objects.filter(state="waiting").count()
    if waiting >= MOST_WAITING - ROOM and new.about != OTHERS:
        others = new._replace(box="", about=OTHERS, facts="{}")
        if not _counted(others):
            _add(others)
    elif waiting < MOST_WAITING:
        before = _before(new)
        same = before is not None and abs(new.now - before.last) < SAME_TROUBLE
        since, told = (before.since, before.told) if before is not None and same else (new.now, None)
        Notice.objects.create(
            id=new_id(), kind=new.kind, box=new.box, about=new.about, facts=new.facts, first=new.now, last=new.now,
            since=new.since or since, told=told, count=new.times,
        )  # fmt: skip


class _Before(NamedTuple):
    since: datetime
    last: datetime
    told: datetime | None


def _before(new: _New) -> _Before | None:
    """The last notice of this matter, whatever became of it."""
    rows = Notice.objects.filter(kind=new.kind, box=new.box, about=new.about).order_by("-last")
    row = rows.values_list("since", "last", "sent").first()
    return None if row is None else _Before(*row)


def any_waits() -> bool:
    """Whether anything waits at all; cheap. Raises DatabaseUnavailable."""
    with reading():
        return Notice.objects.filter(state="waiting").exists()


def waiting() -> list[Noted]:
    """What waits, oldest first; inside a transaction nobody else tells it meanwhile."""
    rows = Notice.objects.select_for_update().filter(state="waiting").order_by("first", "id")
    return [_noted(row) for row in rows.values(*_NAMES)]


def listed(limit: int = 100) -> list[Noted]:
    """The latest notices, whatever became of them."""
    with reading():
        return [_noted(row) for row in Notice.objects.order_by("-last", "-id").values(*_NAMES)[:limit]]


def told(ids: Sequence[int], state: str, now: datetime) -> None:
    """These were told: ``sent``, ``digested``, or ``over`` (nobody to tell)."""
    for chunk in bulk.chunks(ids):
        Notice.objects.filter(id__in=chunk).update(state=state, sent=now)


def tidy(now: datetime) -> None:
    """Forget what was told long ago. Raises DatabaseUnavailable."""
    with writing():
        old = Notice.objects.exclude(state="waiting")
        old.filter(last__lt=now - KEPT).delete()
        for last in old.order_by("-last").values_list("last", flat=True)[KEPT_ROWS : KEPT_ROWS + 1]:
            old.filter(last__lte=last).delete()


_NAMES = ("id", "kind", "box", "about", "facts", "since", "told", "first", "last", "count", "state", "sent")


def _noted(row: Mapping[str, object]) -> Noted:
    facts: Iterable[tuple[str, object]] = json.loads(str(row["facts"]) or "{}").items()
    return Noted(**{**row, "facts": {name: unpacked(fact) for name, fact in facts}})  # type: ignore[arg-type]
