"""What the service does beside its boxes: jobs run, and a box's bad file is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from crmservice.service import mailing
from crmservice.service.child import Before, ThreadChild
from crmservice.service.configuration import Configuration
from crmservice.service.keeper import Keeper
from crmservice.service.scheduled import Beside, Context, Scheduled
from crmservice.service.wake import Wake
from crmservice.store import box_state, notices
from tests.notices.sinks import sink
from tests.support.home import Home


class Kept:
    """A keeper at work in a thread of this process."""

    def __init__(self, home: Path, jobs: list[Scheduled], beside: list[Beside]) -> None:
        self.wake = Wake()
        self.said: list[str] = []
        configuration = Configuration(home)
        self.child = ThreadChild(
            lambda life: Keeper(
                configuration, life, self.wake, lambda words, _fault: self.said.append(str(words)),
                jobs=jobs, beside=beside, look=0.05,
            ).run(),
            Before.NOTHING,
            self.wake,
        )  # fmt: skip

    def until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not happened():
            assert self.child.ended() is None
            assert time.monotonic() < end
            time.sleep(0.01)

    def end(self) -> None:
        self.child.tell()
        end = time.monotonic() + 30
        while (ended := self.child.ended()) is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert ended.code == 0


@pytest.fixture
def keeper(home: Path) -> Iterator[Callable[..., Kept]]:
    started: list[Kept] = []

    def start(*jobs: Scheduled, beside: Beside | None = None) -> Kept:
        started.append(Kept(home, list(jobs), [beside] if beside else []))
        return started[-1]

    Home(home).box({"pop3Email": "crm@firma.cz"})
    yield start
    for one in started:
        one.end()
        one.wake.close()


def test_a_job_that_does_not_end_keeps_no_other_waiting(keeper: Callable[..., Kept]) -> None:
    go_on, ran = threading.Event(), []

    def stuck(_context: Context) -> Mapping[str, object]:
        go_on.wait(30)
        return {}

    def quick(context: Context) -> Mapping[str, object]:
        ran.append([box.name for box in context.boxes])
        return {}

    kept = keeper(
        Scheduled("stuck", lambda _now, last: last is None, stuck),
        Scheduled("quick", lambda _now, _last: len(ran) < 3, quick, noted=False),
    )
    kept.until(lambda: ran == [["crm"]] * 3)
    go_on.set()


def test_what_needs_no_database_is_done_while_it_is_away(
    keeper: Callable[..., Kept], home: Path, tmp_path: Path, company_file: bytes
) -> None:
    away, ran = tmp_path / "away", []

    def job(name: str) -> Callable[[Context], Mapping[str, object]]:
        def run(_context: Context) -> Mapping[str, object]:
            ran.append(name)
            return {}

        return run

    def always(_now: object, _last: object) -> bool:
        return True

    (home / "crmservice.toml").write_text(f'database = "sqlite:///{away}/crm.db"\n')
    kept = keeper(
        Scheduled("bare", always, job("bare"), noted=False, bare=True),
        Scheduled("mail", always, job("mail"), noted=False),
    )
    kept.until(lambda: len(ran) > 2)
    assert set(ran) == {"bare"}
    away.mkdir()
    (away / "crm.db").write_bytes(company_file)
    kept.until(lambda: "mail" in ran)


def test_what_was_noted_last_is_sent_before_the_service_ends(keeper: Callable[..., Kept], home: Path) -> None:
    with sink() as taken:
        smtp = {"smtpServer": f"127.0.0.1:{taken.port}", "errorTo": "spravce@firma.cz"}
        Home(home).box({"pop3Email": "crm@firma.cz", **smtp})
        ran = threading.Event()

        def noted(_context: Context) -> Mapping[str, object]:
            ran.set()
            return {}

        kept = keeper(
            Scheduled("mail", lambda _now, _last: False, mailing.send, noted=False, last=mailing.send_last),
            Scheduled("some", lambda _now, _last: not ran.is_set(), noted, noted=False),
        )
        kept.until(ran.is_set)
        notices.note("oauth", "crm", "", {})
        kept.end()
    assert len(taken.mails) == 1


def test_what_stands_beside_it_begins_and_ends_with_it(keeper: Callable[..., Kept]) -> None:
    told: list[str] = []

    @contextmanager
    def server(_context: Context) -> Iterator[None]:
        told.append("begun")
        yield
        told.append("ended")

    kept = keeper(beside=server)
    kept.until(lambda: told == ["begun"])
    kept.end()
    assert told == ["begun", "ended"]


def test_a_file_that_turns_bad_is_told_and_taken_back(keeper: Callable[..., Kept], home: Path) -> None:
    kept = keeper()
    Home(home).raw("<broken", "crm.xml")
    kept.until(lambda: box_state.read("crm").kind == "bad-file")
    kept.until(lambda: [(notice.kind, notice.box) for notice in notices.listed()] == [("box-file", "crm")])
    assert "crm.xml:1: is not well-formed XML" in str(box_state.read("crm").fault)
    Home(home).box({"pop3Email": "crm@firma.cz"})
    kept.until(lambda: box_state.read("crm").kind == "ok")


def test_a_wish_to_end_reaches_a_long_job(keeper: Callable[..., Kept]) -> None:
    begun = threading.Event()

    def long(context: Context) -> Mapping[str, object]:
        begun.set()
        end = time.monotonic() + 30
        while not context.stopping() and time.monotonic() < end:
            time.sleep(0.01)
        return {}

    kept = keeper(Scheduled("long", lambda _now, last: last is None, long))
    assert begun.wait(30)
    at = time.monotonic()
    kept.end()
    assert time.monotonic() - at < 5
