"""CRMService.log: one line for a message, whatever the message says (TRUST.md B34)."""

from __future__ import annotations

import json
import multiprocessing
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

from crmservice.config import Logging
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.service.log import ServiceLog, one_line
from crmservice.service.rotation import MOST_WAITING, RotatingFile
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


def test_a_message_set_aside_unread_is_a_line_of_the_same_form(tmp_path: Path) -> None:
    new_log(tmp_path).aside(box(), "jana@acme.cz", "s" * 300)
    new_log(tmp_path).aside(box(), "", "")
    assert [line.split(" ", 3)[3] for line in lines(tmp_path)] == [
        f"crm jana@acme.cz '{'s' * 200}' SET ASIDE",
        "crm - '' SET ASIDE",
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
            one.notice(f"{n} " + "x" * (MOST_WAITING // 10))
    one.notice("room")
    written = lines(tmp_path)
    assert [line.split()[3] for line in written] == [*map(str, range(11, 20)), "room"]


def test_a_log_that_cannot_be_opened_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "CRMService.log").mkdir()
    new_log(tmp_path).error("nobody reads this")


def test_a_message_is_one_json_object_too_where_that_is_wished(tmp_path: Path) -> None:
    one = ServiceLog(tmp_path, ZoneInfo("Europe/Prague"), lambda: NOON, Logging(json=True))
    one.messages(box(), [outcome(eml(subject="Žlutý\x1b kůň"))])
    one.error("crm: no answer")
    message, fault = [json.loads(line) for line in (tmp_path / "CRMService.jsonl").read_text().splitlines()]
    assert (message["event"], message["level"], message["time"]) == (
        "message",
        "NOTICE",
        "2026-03-02T12:00:00.000+00:00",
    )
    assert (message["sender"], message["log"], message["verdict"]) == ("jana@acme.cz", ["PROCESSED"], "processed")
    assert "incoming" in message["rules"]
    assert fault == {"time": message["time"], "level": "ERROR", "event": "fault", "text": "crm: no answer"}


def test_without_the_wish_there_is_no_json(tmp_path: Path) -> None:
    new_log(tmp_path).notice("x")
    assert not (tmp_path / "CRMService.jsonl").exists()


def test_a_full_log_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "CRMService.log", 100, 2)
    for n in range(10):
        file.append(f"{n} {'x' * 60}\n".encode())
    names = ("CRMService.log", "CRMService.log.1", "CRMService.log.2")
    kept = [[line[0] for line in (tmp_path / name).read_text().splitlines()] for name in names]
    assert kept == [["8", "9"], ["6", "7"], ["4", "5"]]
    assert not (tmp_path / "CRMService.log.3").exists()


def _append_many(path: Path, name: str, count: int) -> None:
    file = RotatingFile(path, 20_000, 1000)
    for n in range(count):
        file.append(f"{name} {n} {'x' * 50}\n".encode())


def test_several_processes_lose_no_line_when_a_log_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "CRMService.log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_many, args=(path, name, 1500)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    found = [line for file in tmp_path.glob("CRMService.log*") for line in file.read_text().splitlines()]
    assert len(list(tmp_path.glob("CRMService.log.*"))) > 3
    assert sorted(line.split()[0] + line.split()[1] for line in found) == sorted(
        f"{name}{n}" for name in "ab" for n in range(1500)
    )
