"""What a person must look at, and what is nobody's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crmservice.cli.status import job_line
from crmservice.service.troubles import LOW_DISK_BYTES, Disk, Health
from crmservice.store.box_state import State
from crmservice.store.counts import BoxCounts, Counts, JobState
from crmservice.words import Words

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
WELL = State("crm", "ok", NOW - timedelta(seconds=20), NOW - timedelta(seconds=20))


def health(
    state: State = WELL,
    counted: BoxCounts | None = None,
    free: int = 10**12,
    jobs: Sequence[JobState] = (),
    failed: int = 0,
) -> Health:
    boxes = {"crm": counted or BoxCounts({"processed": 3})}
    outgoing = {"failed": failed} if failed else {}
    counts = Counts(boxes, outgoing, {}, tuple(jobs))
    return Health(NOW, UTC, {"crm": 300}, {"crm": state}, counts, Disk(free, 10**12))


def codes(found: Health) -> list[str]:
    return [trouble.code for trouble in found.troubles()]


@pytest.mark.parametrize(
    ("ended", "ok", "line"),
    [
        (NOW, True, "Job backup: last 2026-11-25 03:00, went well"),
        (NOW, False, "Job backup: last 2026-11-25 03:00, did not go well"),
        (None, True, "Job backup: never done to its end yet"),
    ],
)
def test_a_job_is_said_to_have_gone_well_once_it_has_ended(ended: datetime | None, ok: bool, line: str) -> None:
    assert job_line(health(), JobState("backup", NOW, ended, ok=ok)) == line


def test_a_service_that_runs_needs_nobody() -> None:
    assert codes(health()) == []


def test_a_box_that_fails_says_since_when_and_why() -> None:
    state = replace(WELL, kind="failing", failing_since=NOW - timedelta(hours=2), failures=9, fault=Words("no answer"))
    (trouble,) = health(state).troubles()
    assert (trouble.code, trouble.box) == ("box-failing", "crm")
    assert str(trouble.words) == "fails since 2026-11-25 01:00, tries: 9: no answer"


def test_a_bad_file_is_named_instead_of_what_reading_gives() -> None:
    (trouble,) = health(replace(WELL, kind="bad-file", fault=Words("crm.xml:3: pop3Email"))).troubles()
    assert (trouble.code, str(trouble.words)) == ("box-file", "crm.xml:3: pop3Email")


@pytest.mark.parametrize(("minutes", "found"), [(19, []), (21, ["not-running"])])
def test_three_missed_cycles_and_five_minutes_mean_that_nothing_runs(minutes: int, found: list[str]) -> None:
    assert codes(health(replace(WELL, tried=NOW - timedelta(minutes=minutes)))) == found


def test_a_box_that_was_never_read_says_so() -> None:
    assert codes(health(State("crm"))) == ["never-ran"]


@pytest.mark.parametrize(("minutes", "found"), [(14, []), (16, ["waits-long"])])
def test_mail_that_waits_long_is_told(minutes: int, found: list[str]) -> None:
    assert codes(health(counted=BoxCounts(waiting=2, oldest=NOW - timedelta(minutes=minutes)))) == found


def test_what_waits_for_a_person_is_told() -> None:
    assert codes(health(counted=BoxCounts({"set_aside": 1}))) == ["set-aside"]


def test_a_disk_without_room_is_told() -> None:
    assert codes(health(free=LOW_DISK_BYTES - 1)) == ["disk-full"]
    assert codes(health(free=LOW_DISK_BYTES)) == []


def test_mail_of_ours_that_was_refused_is_told() -> None:
    assert codes(health(failed=1)) == ["mail-failed"]


def test_a_job_that_failed_or_hangs_is_told() -> None:
    day = timedelta(days=1)
    jobs = [
        JobState("verify", NOW - day, NOW - day + timedelta(minutes=1), ok=True),
        JobState("backup", NOW - day, NOW - day + timedelta(minutes=1), ok=False),
        JobState("canary", NOW - day, NOW - 2 * day, ok=True),
        JobState("expiry", NOW - timedelta(hours=1), None, ok=True),
    ]
    assert codes(health(jobs=jobs)) == ["job-failed", "job-hangs"]


def test_a_box_that_is_configured_no_more_is_nobodys_business() -> None:
    failing = State("old", "failing", NOW, None, Words("no answer"), failing_since=NOW, failures=3)
    assert codes(replace(health(), states={"crm": WELL, "old": failing})) == []


def test_a_fault_of_the_configuration_comes_first() -> None:
    found = replace(health(failed=1), faults=(Words("sales.xml:3: pop3Email: is missing"),))
    assert codes(found) == ["configuration", "mail-failed"]
