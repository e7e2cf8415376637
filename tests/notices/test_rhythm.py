"""Unusual silence is seen, and usual silence is left alone: on made-up years of mail."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from crmservice.notices.rhythm import BOX, LOOK_BACK, USER, quiet, silence

DAY = timedelta(days=1)
START = date(2026, 1, 5)
OFFICE = (1.0, 1.0, 1.0, 1.0, 1.0, 0.05, 0.05)
EVERY_DAY = (1.0,) * 7


def poisson(rate: float, chance: random.Random) -> int:
    if rate > 50:
        return max(0, round(chance.gauss(rate, math.sqrt(rate))))
    count, left = 0, chance.random()
    term = total = math.exp(-rate)
    while left > total and count < 1000:
        count += 1
        term *= rate / count
        total += term
    return count


def mail(
    week: float, days: int, *, shape: Sequence[float] = OFFICE, swing: float = 0.0, seed: int = 0
) -> dict[date, int]:
    """Mail by chance: so much a week on average. ``swing``: how much the weeks differ beyond chance."""
    chance = random.Random(seed)
    counts = {}
    for n in range(days):
        if n % 7 == 0:
            level = chance.gammavariate(1 / swing**2, swing**2) if swing else 1.0
        day = START + n * DAY
        rate = week / sum(shape) * shape[day.weekday()] * level
        counts[day] = poisson(0 if quiet(day) else rate, chance)
    return {day: count for day, count in counts.items() if count}


def known(counts: dict[date, int], until: date) -> dict[date, int]:
    """What was known on that day."""
    return {day: counts[day] for n in range(LOOK_BACK.days) if (day := until - n * DAY) in counts}


def alarms(counts: dict[date, int], days: int, worth: float = BOX) -> list[date]:
    """The silences told, by their last day with mail, when looked at every day of so many."""
    found = [silence(known(counts, START + n * DAY), START + n * DAY, worth) for n in range(days)]
    return list(dict.fromkeys(one.last for one in found if one))


def days_until_told(counts: dict[date, int], last: date, worth: float = BOX) -> int | None:
    """After how many days without mail it is told."""
    before = {day: count for day, count in counts.items() if day <= last}
    return next((n for n in range(1, 60) if silence(before, last + n * DAY, worth)), None)


@pytest.mark.parametrize("week", [1, 3, 10, 50, 500])
@pytest.mark.parametrize("swing", [0.0, 0.4])
def test_years_of_usual_mail_give_hardly_an_alarm(week: float, swing: float) -> None:
    years = [alarms(mail(week, 365, swing=swing, seed=seed), 365) for seed in range(5)]
    assert sum(map(len, years)) <= 2, years


@pytest.mark.parametrize("week", [5, 40])
def test_hundreds_of_users_give_hardly_an_alarm_a_year(week: float) -> None:
    users = [alarms(mail(week, 250, swing=0.4, seed=seed), 250, USER) for seed in range(30)]
    assert sum(map(len, users)) <= 1


def test_three_mails_a_week_are_no_alarm_on_a_day_without() -> None:
    counts = {START + n * DAY: 1 for n in range(300) if n % 7 in (0, 2, 4)}
    assert alarms(counts, 300) == []


@pytest.mark.parametrize(("week", "most"), [(500, 1), (100, 1), (20, 4), (5, 16), (3, 25)])
def test_a_box_that_falls_silent_is_told_the_sooner_the_more_it_had(week: float, most: int) -> None:
    monday = date(2026, 3, 16)
    waits = [days_until_told(mail(week, 200, seed=seed), monday) for seed in range(10)]
    told = sorted(wait for wait in waits if wait is not None)
    assert len(told) >= 9
    assert told[len(told) // 2] <= most


def test_a_weekend_is_no_silence_of_an_office_and_one_of_a_shop() -> None:
    friday = date(2026, 3, 20)
    assert days_until_told(mail(200, 200), friday) == 3
    shop = mail(200, 200, shape=EVERY_DAY)
    assert days_until_told(shop, friday) == 1


def test_easter_and_christmas_are_no_silence() -> None:
    assert [day for n in range(365) if quiet(day := date(2026, 1, 1) + n * DAY)] == [
        date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 8), date(2026, 7, 5),
        date(2026, 7, 6), date(2026, 9, 28), date(2026, 10, 28), date(2026, 11, 17),
        *(date(2026, 12, n) for n in range(24, 32)),
    ]  # fmt: skip
    thursday = date(2026, 4, 2)
    assert days_until_told(mail(200, 200), thursday) == 5


def test_a_silence_is_the_same_one_as_long_as_it_lasts() -> None:
    last = date(2026, 3, 16)
    counts = {day: count for day, count in mail(100, 200).items() if day <= last}
    assert alarms(counts, 100) == [last]


def test_mail_of_today_ends_a_silence_that_is_looked_at_in_the_morning() -> None:
    last = date(2026, 3, 16)
    counts = {day: count for day, count in mail(500, 200).items() if day <= last}
    assert silence(counts, last + 2 * DAY, BOX)
    assert silence(counts | {last + 3 * DAY: 1}, last + 2 * DAY, BOX) is None


def test_a_silence_does_not_become_usual_by_lasting() -> None:
    last = date(2026, 4, 14)
    counts = {day: count for day, count in mail(5, 200).items() if day <= last}
    assert silence(counts, last + 55 * DAY, BOX)


def test_a_silence_that_came_before_is_waited_for_longer_the_next_time() -> None:
    def without_week(monday: date) -> dict[date, int]:
        return {day: n for day, n in mail(100, 200).items() if not monday <= day < monday + 7 * DAY}

    last = date(2026, 4, 14)
    assert days_until_told(mail(100, 200), last) == 1
    assert days_until_told(without_week(date(2026, 3, 16)), last) > 7  # type: ignore[operator]


def test_one_storm_of_mail_changes_little() -> None:
    last = date(2026, 3, 17)
    counts = mail(20, 200)
    usual = days_until_told(counts, last)
    counts[date(2026, 3, 3)] = 100_000
    stormy = days_until_told(counts, last)
    assert usual is not None
    assert stormy is not None
    assert abs(usual - stormy) <= 1


@pytest.mark.parametrize("counts", [{}, {START: 500}, {START + n * DAY: 9 for n in range(20)}, mail(0.5, 300)])
def test_too_little_history_says_nothing(counts: dict[date, int]) -> None:
    assert alarms(counts, 120) == []
