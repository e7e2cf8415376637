"""Several processes want one box: one works, the others wait, and who was paused too long writes nothing (TRUST.md C19)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections

from crmservice.store import box_state, bulk, database, notices, tables
from crmservice.testing.builders import COMPANY
from tests.faults.place import environment, mail
from tests.store.conftest import BOTH, empty_sqlite, server
from tests.support.home import Home

__all__ = ["empty_sqlite", "server"]

EXPIRY_S = 1.5

# A worker with short patience, as a process of its own.
SCRIPT = f"""
import sys
from pathlib import Path
from crmservice.service import wiring
from crmservice.service.child import Life
from crmservice.service.stop import Stop
from crmservice.service.wake import Wake
from crmservice.service.worker import Pace, Worker

found = wiring.configured(Path(sys.argv[1]))
wake = Wake()
pace = Pace(look=0.1, held=0.2, held_notice=0.5, expiry={EXPIRY_S})
say = lambda words, fault: print(words, flush=True)
sys.exit(Worker(found.boxes[0], found.settings, Life(stop=Stop(wake)), wake, say, pace=pace).run())
"""


class Office:
    """A home with one box that imports a folder, and the workers on it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.mails = folder / "in"
        self.mails.mkdir()
        Home(folder).box({"pop3Email": "crm@firma.cz", "emlDir": str(self.mails), "pollSeconds": "2"})
        self.workers: list[subprocess.Popen[str]] = []
        self.sent = 0

    def start(self, count: int = 1) -> None:
        for _ in range(count):
            command = [sys.executable, "-c", SCRIPT, str(self.folder)]
            env = environment(CRMSERVICE_DATABASE=self.url) if self.url else environment()
            self.workers.append(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
            )

    def send(self, count: int = 1) -> None:
        for _ in range(count):
            part = self.mails / f"{self.sent:04}.part"
            part.write_bytes(mail(self.sent).replace(b"jan@firma.cz", b"novak@firma.cz"))
            part.rename(part.with_suffix(".eml"))
            self.sent += 1

    def filed(self) -> int:
        return len(bulk.query("SELECT 1 FROM crm_message WHERE verdict <> ''"))

    def holder(self) -> int:
        """The process that has the box, 0 for none."""
        rows = bulk.query("SELECT holder FROM crm_lease WHERE box = 'crm'")
        return int(rows[0][0].split()[0]) if rows and rows[0][0] else 0

    def until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def log(self) -> str:
        file = self.folder / "CRMService.log"
        return file.read_text() if file.exists() else ""

    def end(self) -> list[str]:
        """Tell all to end; what each said. Each ended as it should."""
        for worker in self.workers:
            worker.terminate()
        said = [worker.communicate(timeout=30)[0] for worker in self.workers]
        assert [worker.returncode for worker in self.workers] == [0] * len(self.workers), said
        return said

    def faults(self, columns: str = "verdict, gone") -> list[str]:
        """All mail that was sent is filed once, and nothing is left; all rows are alike in these columns."""
        subjects = [row["subject"] for row in tables.export()["activities"]]
        states = {str(row) for row in bulk.query(f"SELECT {columns} FROM crm_message")}
        left = [file.name for file in self.mails.iterdir()]
        lost = self.sent - len(set(subjects))
        doubled = len(subjects) - len(set(subjects))
        kept = {str(file.relative_to(self.folder)) for file in (self.folder / "POP3Downloads").rglob("*.*")}
        left += kept.symmetric_difference(path for (path,) in bulk.query("SELECT path FROM crm_message"))
        wrong = [f"{lost} lost"] * (lost != 0) + [f"{doubled} doubled"] * (doubled != 0)
        return [*wrong, *left, *states] if wrong or left or len(states) != 1 else []


@pytest.fixture(params=BOTH)
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    url = ""
    if request.param == "sqlite":
        (tmp_path / database.FILE).write_bytes(request.getfixturevalue("empty_sqlite"))
    else:
        # A process that is paused inside a transaction holds its locks: how long, is the server's to say.
        url = f"{request.getfixturevalue('server')}&options=-c%20idle_in_transaction_session_timeout=1000"
    database.connect(tmp_path, url)
    tables.load(COMPANY)
    office = Office(tmp_path, url)
    yield office
    for worker in office.workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGCONT)
        worker.kill()
        if not worker.stdout.closed:  # type: ignore[union-attr]
            worker.communicate()
    if url:
        truncate()
    connections.close_all()


def truncate() -> None:
    names = bulk.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'crm_%%'")
    bulk.execute(f"TRUNCATE {', '.join(name for (name,) in names)}")


def test_a_dropped_file_is_filed_at_once_though_the_cycle_is_long(office: Office) -> None:
    Home(office.folder).box({"pop3Email": "crm@firma.cz", "emlDir": str(office.mails)})
    office.start()
    office.until(lambda: box_state.read("crm").kind == "ok")
    office.send()
    office.until(lambda: office.filed() == 1)
    office.end()
    assert office.faults() == []
    assert office.holder() == (0 if office.url else office.workers[0].pid)  # SQLite's is freed by the kernel


@pytest.mark.parametrize("count", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_one_works_and_the_others_say_once_who(office: Office, count: int) -> None:
    office.start(count)
    office.until(lambda: office.holder() != 0)
    office.send(3)
    office.until(lambda: office.filed() == 3)
    first = office.holder()
    words = f"box crm: process {first} on"
    office.until(lambda: office.log().count(words) == count - 1)
    office.until(lambda: any(notice.kind == "box-lease" for notice in notices.listed()))
    said = office.end()
    assert sum(text.count(words) for text in said) == count - 1
    assert office.faults() == []


def test_the_box_of_one_that_was_killed_is_taken_over(office: Office) -> None:
    office.start(2)
    office.until(lambda: office.holder() != 0)
    first = office.holder()
    os.kill(first, signal.SIGKILL)
    office.send(3)
    office.until(lambda: office.filed() == 3)
    assert office.holder() not in (0, first)
    assert office.faults() == []


@pytest.mark.parametrize("office", [pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)
@pytest.mark.parametrize("count", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_one_that_was_paused_too_long_writes_nothing_and_starts_over(office: Office, count: int) -> None:
    office.start(count)
    office.until(lambda: office.holder() != 0)
    for turn in range(int(os.environ.get("CRM_TEST_PAUSES", "2"))):
        paused = office.holder()
        office.send(60)
        office.until(lambda turn=turn: office.filed() > 60 * turn)  # type: ignore[misc]
        os.kill(paused, signal.SIGSTOP)
        office.until(lambda paused=paused: office.holder() not in (0, paused))  # type: ignore[misc]
        os.kill(paused, signal.SIGCONT)
        office.until(lambda: office.filed() == office.sent)
    office.until(lambda: "took this box over meanwhile" in office.log())
    office.end()
    # One that was paused between a deletion and its note may not write it down any more: the row waits for its proof.
    assert office.faults("verdict") == []


@pytest.mark.parametrize("office", [pytest.param("sqlite")], indirect=True)
def test_on_sqlite_one_that_was_paused_keeps_its_box(office: Office) -> None:
    office.start(2)
    office.until(lambda: office.holder() != 0)
    first = office.holder()
    office.send(100)
    office.until(lambda: office.filed() > 0)
    os.kill(first, signal.SIGSTOP)
    time.sleep(2 * EXPIRY_S)
    assert office.holder() == first
    os.kill(first, signal.SIGCONT)
    office.until(lambda: office.filed() == office.sent)
    office.end()
    assert office.faults() == []


def test_a_lease_that_is_lost_while_it_waits_is_noticed(office: Office) -> None:
    office.start()
    office.until(lambda: box_state.read("crm").kind == "ok")
    bulk.execute("UPDATE crm_lease SET epoch = epoch + 1")
    office.send()
    office.until(lambda: office.filed() == 1)
    office.end()
    assert "took this box over meanwhile" in office.log()
    assert office.faults() == []
