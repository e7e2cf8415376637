"""When what is mailed (SPEC chapter 10): one mail an hour of a kind, ten an hour in all, the rest in a digest. Pure.

A mail holds all that waits of its kind, from every box. What comes while its kind has had its mail of the hour gathers
ten minutes and goes into a digest, at most one an hour; the tenth mail of an hour is kept for it. Where more waits than
may be told one by one (a storm, or a mail server that was away), there is one digest at once. Trouble that goes on is
told again after as long as it has lasted, at least an hour and at most a day.

Each recipient is planned for alone. The clock may jump: what was mailed ahead of it counts by its distance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOST_AN_HOUR = 10
GATHER = timedelta(minutes=10)
LATE = timedelta(minutes=90)
"""What could have been told for so long, and was not, was held back by a dead mail server: that is told in one digest."""

DIGEST = "digest"


class Matter(Protocol):
    """A notice that waits. ``since``: when the trouble began; ``told``: when it was told last, None if never."""

    @property
    def kind(self) -> str:
        """Its code."""

    @property
    def since(self) -> datetime:
        """When the trouble began."""

    @property
    def told(self) -> datetime | None:
        """When it was told last."""

    @property
    def first(self) -> datetime:
        """When it was noted first since then."""


class Mail(Protocol):
    """A mail of the last hours: ``about`` a kind, or a digest."""

    @property
    def about(self) -> str:
        """A kind, or DIGEST."""

    @property
    def when(self) -> datetime:
        """When it went."""


AnyMatter = TypeVar("AnyMatter", bound=Matter)


@dataclass(frozen=True, slots=True)
class Plan(Generic[AnyMatter]):
    """The next mail: ``about`` a kind, or DIGEST, with these notices."""

    about: str
    notices: tuple[AnyMatter, ...]


def plan(waiting: Sequence[AnyMatter], mailed: Iterable[Mail], now: datetime) -> Plan[AnyMatter] | None:
    """The mail to make now for one recipient, or None. Ask again until there is none."""
    recent = [mail.about for mail in mailed if abs(now - mail.when) < HOUR]
    ripe = [(one.kind, held) for one in waiting if (held := _held_back(one, now)) is not None]
    if not ripe or len(recent) >= MOST_AN_HOUR:
        return None
    longest = max(held for _kind, held in ripe)
    kinds = [kind for kind in dict.fromkeys(kind for kind, _held in ripe) if kind not in recent]
    digest_is_free = DIGEST not in recent
    room = MOST_AN_HOUR - len(recent) - digest_is_free
    too_much = len(kinds) > room or longest > LATE
    if digest_is_free and (too_much or (not kinds and longest >= GATHER)):
        return Plan(DIGEST, tuple(waiting))
    if kinds and room > 0:
        return Plan(kinds[0], tuple(one for one in waiting if one.kind == kinds[0]))
    return None


def _held_back(one: Matter, now: datetime) -> timedelta | None:
    """For how long it could have been told; None while it may not be told again."""
    if one.told is None:
        return max(now - one.first, timedelta())
    pause = min(max(one.told - one.since, HOUR), DAY)
    if timedelta() <= now - one.told < pause:
        return None
    return max(now - max(one.first, one.told + pause), timedelta())
