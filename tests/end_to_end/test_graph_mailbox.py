"""A home with graphMailbox by the installed command, against the stand-in for Microsoft Graph."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crmservice.store import database
from crmservice.testing.builders import eml
from crmservice.testing.graph import faults
from crmservice.testing.graph.mail import Mailbox, MailServer
from crmservice.testing.graph.server import Answer, Proceed, Request

CANARY = "S3CR3T-CANARY-7f"
BOX = """<configuration><appSettings>
<add key="pop3Email" value="crm@firma.cz" /><add key="graphMailbox" value="crm@firma.cz" /><add key="rules" value="safe" />
</appSettings></configuration>"""


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer(secret=CANARY).running() as running:
        yield running
        assert running.violations == []


@pytest.fixture
def mailbox(server: MailServer) -> Mailbox:
    return server.add("crm@firma.cz")


@pytest.fixture
def home(new_home: Callable[[], Path], server: MailServer) -> Path:
    made = new_home()
    (made / "Config").mkdir()
    (made / "Config" / "MicrosoftOAuth.json").write_text(server.oauth_json("env:CRM_CLIENT_SECRET"))
    (made / "crm.xml").write_text(BOX)
    return made


def crmservice(home: Path, *arguments: str, secret: str = CANARY) -> tuple[int, str]:
    """Exit code, and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "crmservice", "--home", str(home), *arguments],
        env={**os.environ, "CRM_CLIENT_SECRET": secret},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(home / database.FILE) as connection:
        found: list[tuple[object, ...]] = connection.execute(sql).fetchall()
    connection.close()
    return found


def secrets_in(home: Path, server: MailServer, *said: str) -> list[str]:
    """The client secret and the tokens, as far as they stand in any file of the home or were said."""
    tokens = {request.headers["Authorization"].removeprefix("Bearer ") for request in server.requests}
    written = [file.read_bytes() for file in home.rglob("*") if file.is_file()] + [text.encode() for text in said]
    assert tokens
    return [secret for secret in {CANARY, *tokens} if any(secret.encode() in one for one in written)]


def test_each_mail_is_durable_before_graph_is_asked_to_delete_it(
    home: Path, server: MailServer, mailbox: Mailbox
) -> None:
    mails = {hashlib.sha256(raw).hexdigest(): raw for raw in (eml(f"text {number}") for number in range(60))}
    for raw in mails.values():
        mailbox.put(raw)
    early: list[str] = []

    def kept(request: Request, proceed: Proceed) -> Answer:
        stored = mailbox.find(request.path[3], immutable=True) if request.path[-1] == "permanentDelete" else None
        if stored is not None:
            checksum = hashlib.sha256(stored.mime).hexdigest()
            found = rows(home, f"SELECT path FROM crm_message WHERE sha256 = '{checksum}' AND source = 'graph'")
            if not found or (home / str(found[0][0])).read_bytes() != mails[checksum]:
                early.append(checksum)
        return proceed()

    server.faults += [kept, faults.every(31, faults.lost())]
    code, said = crmservice(home, "run", "--once")
    assert (code, said) == (0, "")
    assert early == []
    assert mailbox.inbox() == []
    assert rows(home, "SELECT COUNT(*), SUM(gone), COUNT(DISTINCT sha256) FROM crm_message") == [(60, 60, 60)]
    assert server.most_at_once["crm@firma.cz"] <= 4
    assert secrets_in(home, server) == []


@pytest.mark.slow
def test_a_wrong_secret_is_one_notice_and_no_byte_of_a_secret_is_written(
    home: Path, server: MailServer, mailbox: Mailbox
) -> None:
    wrong = "WR0NG-" + CANARY
    mailbox.put(eml("text"))
    outputs = [crmservice(home, "run", "--once", secret=wrong) for _cycle in range(2)]
    assert [code for code, _said in outputs] == [75, 75]
    assert "AADSTS7000215" in outputs[0][1]
    assert rows(home, "SELECT kind, box, COUNT(*) FROM crm_notice GROUP BY kind, box") == [("oauth", "crm", 1)]
    code, said = crmservice(home, "run", "--once")
    assert (code, mailbox.inbox()) == (0, [])
    assert secrets_in(home, server, said, *(text for _code, text in outputs)) == []


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing_and_file_nothing_twice(
    home: Path, server: MailServer, mailbox: Mailbox
) -> None:
    mails = {hashlib.sha256(raw).hexdigest() for raw in (_put(mailbox, number) for number in range(300))}
    server.faults += [faults.slow(0.02), faults.every(31, faults.lost())]
    chance = random.Random(7)
    kills = 0
    while kills < int(os.environ.get("CRM_TEST_KILLS", "10")) and mailbox.inbox():
        command = [sys.executable, "-m", "crmservice", "--home", str(home), "run", "--once"]
        environ = {**os.environ, "CRM_CLIENT_SECRET": CANARY}
        asked = len(server.requests)
        run = subprocess.Popen(command, env=environ, start_new_session=True, stderr=subprocess.DEVNULL)
        while len(server.requests) == asked and run.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 1.5))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        kills += 1
    assert crmservice(home, "run", "--once") == (0, "")
    assert crmservice(home, "ledger", "--json")[0] == 0
    assert mailbox.inbox() == []
    assert {row[0] for row in rows(home, "SELECT sha256 FROM crm_message")} == mails
    assert rows(home, "SELECT COUNT(*) FROM crm_activity") == [(300,)]
    assert kills


def _put(mailbox: Mailbox, number: int) -> bytes:
    return mailbox.put(eml(f"text {number}", subject=f"mail {number}")).mime
