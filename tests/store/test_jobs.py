"""The last time of each job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from crmservice.store import jobs
from crmservice.store.jobs import Last
from crmservice.words import Words, packed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_job_that_was_cut_short_has_begun_and_not_ended(home: Path) -> None:
    assert jobs.read("verify") is None
    jobs.begin("verify", NOON)
    assert jobs.read("verify") == Last("verify", NOON)


def test_what_a_job_came_to_is_kept_until_its_next_time(home: Path) -> None:
    fault = Words("the disk {disk} is away", disk="b")
    last = Last("verify", NOON, NOON + timedelta(hours=1), False, {"files": 3, "ok": True, "fault": fault})
    jobs.begin("verify", NOON)
    jobs.end(last)
    found = jobs.read("verify")
    assert found is not None
    assert (found.began, found.ended, found.ok) == (last.began, last.ended, False)
    assert found.result == {"files": 3, "ok": True, "fault": packed(fault)}
    jobs.begin("verify", NOON + timedelta(days=1))
    assert jobs.read_all() == [Last("verify", NOON + timedelta(days=1))]
