"""The database's server dies in the midst of mail that is handed over by SMTP, and comes back."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fixtures import Figures
from tests.faults.place import BOX, RECORDS, Place, mail
from tests.faults.senders import SENDERS, UNTIL_S, Post, faults
from tests.faults.warm import wait_until
from tests.service.running import connected
from tests.support import postgres
from tests.support.dovecot import free_port
from tests.support.home import Home

DEATHS = int(os.environ.get("CRM_TEST_DEATHS", "3"))

pytestmark = pytest.mark.server


@dataclass
class OnPostgres(Place):
    """A home whose database is on a server of our own, in this folder."""

    folder: str = ""

    @property
    def url(self) -> str:
        return postgres.url(self.folder, "postgres")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[OnPostgres]:
    pytest.importorskip("psycopg")
    with postgres.postgres(postgres.SURE) as folder:
        made = OnPostgres(tmp_path / "home", folder=folder)
        made.home.mkdir()
        (made.home / "crmservice.toml").write_text(f'database = "{made.url}"\n')
        records = tmp_path / "records.json"
        records.write_text(json.dumps(RECORDS))
        made.run("load", str(records))
        yield made


@pytest.fixture
def post(place: OnPostgres) -> Post:
    port = free_port()
    Home(place.home).box({"pop3Email": BOX, "smtpListen": f"127.0.0.1:{port}"})
    return Post(port, SENDERS)


@pytest.fixture
def service(place: OnPostgres, post: Post) -> Iterator[Callable[[], str]]:
    """``crmservice run``; the answer ends it and gives what it said."""
    process = place.start("run")

    def end() -> str:
        begun = time.monotonic()
        process.terminate()
        said, _ = process.communicate(timeout=UNTIL_S)
        assert process.returncode == 0, said
        assert time.monotonic() - begun < 10
        return said

    try:
        connected(post.port).close()
        yield end
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def answer(port: int) -> str:
    """What a sender hears when it hands over a mail that is of no other test."""
    sender = connected(port)
    try:
        sender.greet()
        return sender.deliver(mail(900_000))
    finally:
        sender.close()


def test_a_database_server_that_dies_and_comes_back_costs_no_mail_that_had_its_250(
    place: OnPostgres, post: Post, service: Callable[[], str], figures: Figures
) -> None:
    answers = []
    with post.sending():
        for _ in range(DEATHS):
            post.wait_for_more(lambda: False)
            time.sleep(random.uniform(0, 0.5))
            postgres.stop(place.folder)
            known = len(post.accepted)
            answers.append(answer(post.port))
            assert len(post.accepted) <= known + SENDERS  # what was at its 250 when the server died
            postgres.start(place.folder, postgres.SURE)
    assert [said[:9] for said in answers] == ["451 4.3.0"] * DEATHS
    wait_until(lambda: not place.query("SELECT 1 FROM crm_message WHERE verdict = ''"), UNTIL_S)
    said = service()
    assert "Traceback" not in said, said
    assert faults(place, post) == []
    figures("PG", f"PostgreSQL died {DEATHS} times under {SENDERS} senders: {len(post.accepted)} mails, 0 faults")
