"""The rhythm watch: whether silence is unusual, by what the last eight weeks were like (SPEC 13.13). Pure.

What is to be expected of a day is the median week's mail times this weekday's share. How much of it may stay away by
chance follows from the spread of the weeks: mail that varies more than by chance alone (negative binomial) is waited for
longer. Silence is unusual when it is worth enough such mail, and half again as much as any silence before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import log
from statistics import median

from dateutil.easter import easter

WEEKS = 8
LOOK_BACK = 2 * WEEKS * timedelta(weeks=1)
"""So much mail must be known: a silence may last as long as what it is held against."""

LEAST_WEEKS = 4
LEAST_MAILS = 12
BOX, USER = 8.0, 14.0
"""Mail that must have stayed away: by chance once in 3,000 looks at a box, once in a million at one of many users."""

LONGER = 1.5
BURST = 3
DAY = timedelta(days=1)

_FIXED = {(1, 1), (5, 1), (5, 8), (7, 5), (7, 6), (9, 28), (10, 28), (11, 17)}
"""Czech public holidays with a date of their own; those of Christmas are within the quiet days."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No mail since ``last``, where about ``missing`` were to be expected."""

    last: date
    missing: float


def quiet(day: date) -> bool:
    """Whether no mail is to be expected: Czech public holidays, and 24 December to 1 January."""
    good_friday, monday = easter(day.year) - 2 * DAY, easter(day.year) + DAY
    christmas = day.month == 12 and day.day >= 24
    return christmas or (day.month, day.day) in _FIXED or day in (good_friday, monday)


def silence(counts: Mapping[date, int], until: date, worth: float) -> Silence | None:
    """The silence that lasts through ``until``, if it is unusual. ``counts``: mails of each day, days without left out.

    Mail after ``until`` has ended it. Held against the eight weeks before it, so that it does not become usual itself.
    ``worth``: BOX or USER.
    """
    with_mail = [day for day, count in counts.items() if count > 0 and day > until - LOOK_BACK]
    last = max(with_mail, default=until)
    if last >= until:
        return None
    first = min(day for day in with_mail if day > last - timedelta(weeks=WEEKS))
    history = {day: counts.get(day, 0) for day in _days(first, last)}
    usual = _usual(history)
    if usual is None:
        return None
    missing = usual.expected(_days(last + DAY, until))
    before = max((usual.expected(gap) for gap in _gaps(history)), default=0.0)
    if missing * usual.patience >= worth and missing >= LONGER * before:
        return Silence(last, missing)
    return None


def _days(first: date, last: date) -> list[date]:
    return [first + n * DAY for n in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is to be expected on each weekday, and how much a mail of it weighs."""

    weekdays: Sequence[float]
    patience: float

    def expected(self, days: Iterable[date]) -> float:
        return sum(self.weekdays[day.weekday()] for day in days if not quiet(day))


def _usual(history: Mapping[date, int]) -> _Usual | None:
    """By the days from the first mail to the last; None where that is too little to say anything."""
    days = sorted(history)
    weeks = [sum(history[day] for day in days[end - 7 : end]) for end in range(len(days), 6, -7)]
    if len(weeks) < LEAST_WEEKS or sum(history.values()) < LEAST_MAILS:
        return None
    # One storm of mail must not make its weekday look like the only one.
    most = BURST * median(count for count in history.values() if count) + BURST
    weights = [0.0] * 7
    for day, count in history.items():
        weights[day.weekday()] += min(count, most)
    week = median(weeks)
    spread = (1.4826 * median(abs(one - week) for one in weeks)) ** 2 / week if week else 1.0
    return _Usual(
        [week * weight / sum(weights) for weight in weights], log(spread) / (spread - 1) if spread > 1 else 1.0
    )


def _gaps(history: Mapping[date, int]) -> Iterator[list[date]]:
    """The silences within."""
    gap: list[date] = []
    for day, count in history.items():
        if count == 0:
            gap.append(day)
        elif gap:
            yield gap
            gap = []
