"""The clock jumps while mail is fetched (TRUST.md C14; pauses over the two days of a clock change: tests/service/test_rounds.py)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.faults.fixtures import Figures
from tests.faults.scene import PATIENCE_S, Scene
from tests.faults.warm import wait_until

WAITING = 20
ZONE = ZoneInfo("Europe/Prague")

JUMPS: dict[str, timedelta | datetime] = {
    "an hour back": timedelta(hours=-1),
    "an hour ahead": timedelta(hours=1),
    "a day back": timedelta(days=-1),
    "1970": datetime(1970, 1, 2, tzinfo=UTC),
    "the last second of 32 bits": datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC),
    "2099": datetime(2099, 12, 31, 23, 59, tzinfo=UTC),
    "summer time begins": datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC),
    "summer time ends": datetime(2027, 10, 31, 0, 59, 59, tzinfo=UTC),
    "back again": timedelta(0),
}


@pytest.mark.parametrize("on_stub", ["pop3", "imap"], indirect=True)
def test_whatever_the_clock_says_mail_is_filed_once_under_its_local_day(on_stub: Scene, figures: Figures) -> None:
    on_stub.mails.broken = 0
    box = on_stub.place.home / "crm.xml"
    box.write_text(box.read_text().replace("</appSettings>", f'<add key="timeZone" value="{ZONE}" /></appSettings>'))
    before: Counter[str] = Counter()
    for name, to in JUMPS.items():
        now = datetime.now(UTC)
        ahead = to if isinstance(to, timedelta) else to - now
        on_stub.fill(WAITING)
        worker = on_stub.start(ahead=ahead.total_seconds())
        assert wait_until(on_stub.quiet, PATIENCE_S), name
        worker.stop()
        days = Counter(path.parent.name for path in on_stub.place.backup())
        later = datetime.now(UTC) + ahead
        assert set(days - before) <= {f"{moment.astimezone(ZONE):%Y-%m-%d}" for moment in (now + ahead, later)}, name
        before = days
    assert on_stub.settle() == []
    figures("C14", f"{len(JUMPS)} jumps of the clock, {len(on_stub.place.sent)} mails, 0 faults")
