"""CRMService.log: one line for a message, whatever the message says (TRUST.md B34)."""

from __future__ import annotations

import re
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.service import log
from crmservice.service.log import ServiceLog, one_line
from crmservice.testing.builders import Office, box, eml

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def new_log(home: Path) -> ServiceLog:
    return ServiceLog(home, ZoneInfo("Europe/Prague"), lambda: NOON)


def lines(home: Path) -> list[str]:
    return (home / "CRMService.log").read_bytes().decode().split("\n")[:-1]


def outcome(raw: bytes) -> Outcome:
    return Outcome(Waiting(1, "crm", "", "", NOON), box(), Office().receive(raw))


@contextmanager
def no_room(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_message_is_a_line_with_box_sender_subject_and_log_words(tmp_path: Path) -> None:
    mails = [eml(subject="Dotaz"), eml(sender="nobody", subject="Žlutý kůň")]
    new_log(tmp_path).messages(box(), [outcome(raw) for raw in mails])
    assert lines(tmp_path) == [
        "NOTICE 2026-03-02 13:00:00 crm jana@acme.cz 'Dotaz' PROCESSED",
        "NOTICE 2026-03-02 13:00:00 crm - 'Žlutý kůň' SPAM, DELETED",
    ]


def test_faults_and_notices_are_lines_too(tmp_path: Path) -> None:
    one = new_log(tmp_path)
    one.error("crm: no answer")
    one.notice("crm: again")
    assert lines(tmp_path) == ["ERROR 2026-03-02 13:00:00 crm: no answer", "NOTICE 2026-03-02 13:00:00 crm: again"]


def test_a_long_subject_is_shortened(tmp_path: Path) -> None:
    new_log(tmp_path).messages(box(), [outcome(eml(subject="x" * 5000))])
    assert len(lines(tmp_path)[0]) < 300


@pytest.mark.parametrize(
    "hostile", ["x\n2026-01-01 PROCESSED", "x\r\nNOTICE", "\x1b[2J", "\u202e", "\u2028", "\x85", "\x00", "\ud800"]
)
def test_nothing_in_a_text_ends_its_line_or_steers_a_terminal(tmp_path: Path, hostile: str) -> None:
    new_log(tmp_path).notice(hostile)
    (line,) = lines(tmp_path)
    assert line.isprintable()


def test_a_hostile_subject_is_one_line(tmp_path: Path) -> None:
    encoded = "=?utf-8?q?x=0ANOTICE_2026-01-01_00:00:00_crm_PROCESSED=1B[2J=E2=80=AE=E2=80=A8?="
    new_log(tmp_path).messages(box(), [outcome(eml(subject=encoded))])
    (line,) = lines(tmp_path)
    assert line.isprintable()
    assert line.endswith("PROCESSED")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters()), min_size=1, max_size=3))
def test_so_many_texts_so_many_lines(tmp_path: Path, texts: list[str]) -> None:
    (tmp_path / "CRMService.log").unlink(missing_ok=True)
    one = new_log(tmp_path)
    for text in texts:
        one.notice(text)
    assert len((tmp_path / "CRMService.log").read_text("utf-8").splitlines()) == len(texts)
    assert all(re.fullmatch(r"NOTICE 2026-03-02 13:00:00 .*", line) for line in lines(tmp_path))


@given(st.text(st.characters()))
def test_what_is_printable_is_left_as_it_is(text: str) -> None:
    assert one_line(text).isprintable()
    assert not text.isprintable() or one_line(text) == text


def test_the_log_is_its_owners_alone(tmp_path: Path) -> None:
    new_log(tmp_path).notice("x")
    assert stat.S_IMODE((tmp_path / "CRMService.log").stat().st_mode) == 0o600


def test_lines_that_a_full_disk_refuses_are_written_when_there_is_room(tmp_path: Path) -> None:
    one = new_log(tmp_path)
    with no_room(50):
        one.notice("first")
        one.notice("second")
    one.error("third")
    assert lines(tmp_path) == [
        "NOTICE 2026-03-02 13:00:00 first",
        "NOTICE 2026-03-02 13:00:00 second",
        "ERROR 2026-03-02 13:00:00 third",
    ]


def test_a_disk_that_is_full_for_long_costs_the_oldest_lines(tmp_path: Path) -> None:
    one = new_log(tmp_path)
    with no_room(0):
        for n in range(20):
            one.notice(f"{n} " + "x" * (log.MOST_WAITING // 10))
    one.notice("room")
    written = lines(tmp_path)
    assert [line.split()[3] for line in written] == [*map(str, range(11, 20)), "room"]


def test_a_log_that_cannot_be_opened_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "CRMService.log").mkdir()
    new_log(tmp_path).error("nobody reads this")
