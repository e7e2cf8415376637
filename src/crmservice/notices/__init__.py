"""What an administrator must know: noted where it happens, sent later, throttled (SPEC chapter 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple


class _Matter(NamedTuple):
    kind: str
    box: str
    about: str
    once: bool


@dataclass(frozen=True, slots=True)
class _Held:
    facts: Mapping[str, object]
    count: int
    first: datetime


MOST_HELD = 100
_held: dict[_Matter, _Held] = {}
"""What this process could not write down: the database was away. It goes with the next notice that can be written."""


def note(kind: str, box: str = "", about: str = "", *, once: bool = False, **facts: object) -> bool:
    """Note something for ``errorTo``; never raises, never waits for a mail server.

    ``kind`` is a code, ``about`` the matter it is about (more of the same is counted, not repeated),
    ``facts`` small and plain: they are shown, so no secret and no mail's body; Words among them are translated.
    ``once``: a matter that was ever noted is not noted again. False where the database is away: the log has it then,
    and it is written down with the next notice of this process.
    """
    matter = _Matter(kind, box, about, once)
    try:
        _write_held()
        _write(matter, _Held(facts, 1, _now()))
    except Exception:  # noqa: BLE001 (a notice must never stop the work that it tells of)
        _hold(matter, facts)
        return False
    return True


def _write(matter: _Matter, held: _Held) -> None:
    from crmservice.store import notices

    notices.note(
        matter.kind, matter.box, matter.about, held.facts, once=matter.once, now=held.first, count=held.count
    )  # fmt: skip


def _write_held() -> None:
    for matter, held in list(_held.items()):
        _write(matter, held)
        del _held[matter]


def _hold(matter: _Matter, facts: Mapping[str, object]) -> None:
    if (before := _held.get(matter)) is not None:
        _held[matter] = replace(before, facts=facts, count=before.count + 1)
    elif len(_held) < MOST_HELD:
        _held[matter] = _Held(facts, 1, _now())


def _now() -> datetime:
    from crmservice.store import bulk

    return bulk.now()
