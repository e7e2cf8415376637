"""The rhythm watch as the keeper's job, on rows of mail: who is told of what silence, and what says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crmservice.config import Box, Settings
from crmservice.service import rhythm
from crmservice.service.log import ServiceLog
from crmservice.service.scheduled import Context
from crmservice.store import box_state, notices
from crmservice.store.box_state import State
from crmservice.words import Words

PRAGUE = ZoneInfo("Europe/Prague")
BOX = Box("crm", "crm@firma.cz", zone=PRAGUE)
DAY = timedelta(days=1)
LAST = date(2026, 3, 17)
"""A Tuesday; mail came on every working day of the eight weeks before it."""

EVENING = datetime(2026, 3, 18, 18, 30, tzinfo=PRAGUE)
OWN = '["OWN NOTICE", "DELETED"]'
PROCESSED = '["PROCESSED"]'

Mail = Callable[..., None]


@pytest.fixture
def mail(home: Path) -> Mail:
    """Puts so many mails of a box on each of some days; with ``to``, each is an activity of that user."""
    from crmservice.store.models import Activity, Message, User

    def put(days: Iterable[date], count: int, *, log: str = PROCESSED, to: str = "") -> None:
        user = User.objects.get(email=to) if to else None
        for day in days:
            for _ in range(count):
                arrived = datetime(day.year, day.month, day.day, 10, tzinfo=UTC)
                message = Message.objects.create(
                    box="crm", source="imap", source_id="", sha256="", size=1, arrived=arrived, day=day, log=log
                )
                if user is not None:
                    Activity.objects.create(message=message, responsible=user, starts=arrived)

    return put


def working_days(until: date, weeks: int) -> list[date]:
    days = [until - n * DAY for n in range(weeks * 7)]
    return [day for day in days if day.weekday() < 5]


def look(home: Path, at: datetime, **state: object) -> int:
    """The job at that time, the box having been read just now; how many silences it saw."""
    box_state.write(replace(State("crm", "ok", at, at), **state))  # type: ignore[arg-type]
    settings = Settings(home, zone=PRAGUE)
    context = Context(settings, ServiceLog(home, PRAGUE, lambda: at), lambda: at.astimezone(UTC), lambda: (BOX,))
    return int(str(rhythm.watch(context)["silences"]))


def told() -> list[str]:
    return [f"{one.box}: {one.facts['what']}" for one in notices.listed()]


def test_a_boxs_silence_is_told_once_in_the_evening_of_the_day_without_mail(home: Path, mail: Mail) -> None:
    mail(working_days(LAST, 8), 10)
    assert look(home, EVENING - timedelta(hours=1)) == 0
    assert [look(home, EVENING + n * timedelta(hours=1)) for n in range(3)] == [1, 1, 1]
    assert told() == ["crm: the whole box: no mail since 2026-03-17; about 10 mails were to be expected"]
    mail([LAST + 2 * DAY], 1)
    assert look(home, EVENING + DAY) == 0


def test_mail_of_this_morning_ends_yesterdays_silence(home: Path, mail: Mail) -> None:
    mail([*working_days(LAST, 8), LAST + 2 * DAY], 10)
    assert look(home, datetime(2026, 3, 19, 8, tzinfo=PRAGUE)) == 0


@pytest.mark.parametrize(
    "state",
    [
        {"failing_since": EVENING - DAY, "kind": "failing", "fault": Words("away")},
        {"succeeded": EVENING - 2 * DAY},
        {"succeeded": None},
    ],
)
def test_a_box_that_was_not_read_is_not_silent(home: Path, mail: Mail, state: dict[str, object]) -> None:
    mail(working_days(LAST, 8), 10)
    assert look(home, EVENING, **state) == 0


def test_our_own_notices_that_return_are_no_mail(home: Path, mail: Mail) -> None:
    mail(working_days(LAST, 8), 10)
    mail([LAST + DAY], 3, log=OWN)
    assert look(home, EVENING) == 1


def test_a_users_silence_is_told_while_the_box_goes_on(home: Path, mail: Mail) -> None:
    mail(working_days(LAST + 3 * DAY, 8), 9, to="svoboda@firma.cz")
    mail(working_days(LAST, 8), 8, to="novak@firma.cz")
    assert look(home, EVENING + DAY) == 1
    assert told() == ["crm: novak@firma.cz: no mail since 2026-03-17; about 16 mails were to be expected"]


def test_who_left_is_not_missed(home: Path, mail: Mail) -> None:
    from crmservice.store.models import User

    mail(working_days(LAST + 3 * DAY, 8), 9, to="svoboda@firma.cz")
    mail(working_days(LAST, 8), 8, to="novak@firma.cz")
    User.objects.filter(email="novak@firma.cz").update(active=False)
    assert look(home, EVENING + DAY) == 0
