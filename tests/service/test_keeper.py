"""What the service does beside its boxes: jobs run, and a box's bad file is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from crmservice.service.child import Before, ThreadChild
from crmservice.service.configuration import Configuration
from crmservice.service.keeper import Keeper
from crmservice.service.scheduled import Beside, Context, Scheduled
from crmservice.service.wake import Wake
from crmservice.store import box_state, notices
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
