"""A canary in every secret of a home: the whole service at work, and no canary where it does not belong (TRUST.md B23).

Servers work, refuse, and repeat what they heard; a row is spoiled in the midst of it; each command looks on.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from aiosmtpd.smtp import AuthResult

from crmservice.testing.builders import COMPANY, eml
from crmservice.testing.graph.mail import MailServer
from tests.notices.sinks import Sink, sink
from tests.support import echoes, postgres
from tests.support.certificates import Certificates, make_certificates
from tests.support.dovecot import free_port
from tests.support.home import Home
from tests.support.stub import ImapStub, Pop3Stub, Talk, serve

UNTIL_S = 60


def canary(name: str) -> str:
    return f"S3CR3T-{name}-CANARY-7f"


BY_ENVIRONMENT = {"IMAP_PASSWORD": canary("imap"), "STORE_SECRET": canary("store")}


class EverybodysSink(Sink):
    """Takes every login."""

    def authenticate(self, *_said: Any) -> AuthResult:
        return AuthResult(success=True)


@dataclass
class Company:
    """A home whose every secret has a canary, and the servers that its boxes know."""

    folder: Path
    sink: Sink
    graph: MailServer
    certificates: Certificates
    metrics: int
    postgres: str = ""
    said: list[Path] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "crmservice", "--home", str(self.home), "-v", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **BY_ENVIRONMENT, "TMPDIR": str(self.folder / "tmp")}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command whose both outputs go to a file."""
        self.said.append(self.folder / "said" / f"{len(self.said):02} {arguments[0]}.txt")
        with self.said[-1].open("wb") as out:
            return subprocess.Popen(
                self.command(*arguments), env=self.environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def run(self, *arguments: str) -> int:
        return self.start(*arguments).wait(UNTIL_S)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if self.postgres:
            import psycopg

            with psycopg.connect(self.postgres) as connection:
                cursor = connection.execute(sql.encode())
                return cursor.fetchall() if cursor.description else []
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.home / "crmservice.db")) as file, file:
            return list(file.execute(sql))

    def keep(self, name: str, data: bytes) -> None:
        """Keep what somebody got to see."""
        (self.folder / "said" / name).write_bytes(data)

    def secrets(self) -> dict[str, bytes]:
        """What must be nowhere, by a name for it."""
        found = {
            name: canary(name).encode()
            for name in ("pop3", "echo", "imap", "smtp", "oauth", "store", "database", "misspelt", "broken")
        }
        found["access token"] = canary("token").encode()
        found["certificate key"] = self.certificates.pair("good")[1].read_bytes().splitlines()[2]
        for one in (self.home / ".crmservice").rglob("*.key"):
            found[one.name] = one.read_bytes()
        for number, token in enumerate({one.headers.get("Authorization", "") for one in self.graph.requests} - {""}):
            found[f"token {number} of Graph"] = token.removeprefix("Bearer ").encode()
        return found


def forms(secret: bytes) -> Iterator[bytes]:
    """How it may be written: as it is, in hexadecimal, in base64 (behind no, one or two other bytes)."""
    yield secret
    yield secret.hex().encode()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + secret)
        yield whole[-(-before * 4 // 3) + (before > 0) : -4]


def belongs(company: Company, file: Path) -> bool:
    """Whether secrets are kept in this file: the configuration, keys, and copies of them in a backup."""
    names = {"crmservice.toml", "MicrosoftOAuth.json", "smtp.secret"}
    return file.suffix in (".xml", ".key") or file.name in names or company.certificates.folder in file.parents


def leaks(company: Company) -> list[str]:
    """Where a secret stands that does not belong there."""
    wanted = [(name, form) for name, secret in company.secrets().items() for form in forms(secret)]
    files = [file for file in company.folder.rglob("*") if file.is_file() and not belongs(company, file)]
    return [
        f"{name} in {file.relative_to(company.folder)}"
        for file in files
        for name, form in wanted
        if form in file.read_bytes()
    ]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The URL that the home names, and one to look into it with."""
    if request.param == "sqlite":
        yield "", ""
        return
    pytest.importorskip("psycopg")
    with postgres.postgres() as folder:
        url = postgres.url(folder, "postgres")
        yield url.replace("crm@", f"crm:{canary('database')}@"), url


@pytest.fixture
def company(database: tuple[str, str], tmp_path: Path) -> Iterator[Company]:
    with contextlib.ExitStack() as servers:
        taken = servers.enter_context(sink(EverybodysSink(), login=True))
        graph = servers.enter_context(MailServer(secret=canary("oauth")).running())
        graph.add("graph@firma.cz").put(eml("by Graph"))
        certificates = make_certificates(tmp_path / "certificates")
        made = Company(tmp_path, taken, graph, certificates, free_port(), database[1])
        for folder in ("home/Config", "home/in", "home/in2", "said", "tmp"):
            (tmp_path / folder).mkdir(parents=True)
        mailboxes: dict[str, Callable[[Talk], None]] = {
            "pop3": Pop3Stub([eml("by POP3")]), "imap": ImapStub({1: eml("by IMAP")}),
            "pop3 echo": echoes.pop3, "imap echo": echoes.imap,
        }  # fmt: skip
        handlers = {name: echoes.over_tls(handler, certificates.pair("good")) for name, handler in mailboxes.items()}
        handlers |= {"smtp echo": echoes.smtp, "http echo": echoes.http, "token": _token}
        port = {name: servers.enter_context(serve(handler))[0] for name, handler in handlers.items()}
        _configure(made, port, database[0])
        (tmp_path / "company.json").write_text(json.dumps(COMPANY))
        assert made.run("load", str(tmp_path / "company.json")) == 0
        yield made


def _token(talk: Talk) -> None:
    """A token endpoint that works."""
    length = 0
    while line := talk.line():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    talk.exactly(length)
    data = json.dumps({"token_type": "Bearer", "expires_in": 3599, "access_token": canary("token")}).encode()
    talk.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data) + data)


def _configure(company: Company, port: dict[str, int], database: str) -> None:
    home, boxes = company.home, Home(company.home)
    settings = f"""
canary_days = 1
backup_to = "{company.folder}/backups"
metrics = "127.0.0.1:{company.metrics}"
mail_store_key = "key"
mail_store_secret = "env:STORE_SECRET"
log.json = true
"""
    (home / "crmservice.toml").write_text((f'database = "{database}"\n' if database else "") + settings)
    (home / "smtp.secret").write_text(canary("smtp"))

    def box(name: str, **keys: str) -> None:
        boxes.box(
            {
                "pop3Email": f"{name}@firma.cz",
                "rules": "safe",
                "pollSeconds": "5",
                "tlsCaFile": str(company.certificates.ca),
                **keys,
            },
            f"{name}.xml",
        )

    def oauth(name: str, written: str) -> str:
        (home / name / "Config").mkdir(parents=True)
        (home / name / "Config" / "MicrosoftOAuth.json").write_text(written)
        return str(home / name)

    def endpoint(number: int) -> str:
        web = {"client_id": "app", "tenant_id": "t", "token_uri": f"http://127.0.0.1:{number}/t/token"}
        return json.dumps({"web": {**web, "client_secret": canary("oauth")}})

    telling = {
        "smtpServer": f"127.0.0.1:{company.sink.port}", "smtpName": "crm", "smtpPassword": f"file:{home}/smtp.secret",
        "errorTo": "admin@firma.cz", "allowInsecure": "true",
    }  # fmt: skip
    echo = {**telling, "smtpServer": f"127.0.0.1:{port['smtp echo']}", "errorTo": "other@firma.cz"}
    cert, key = company.certificates.pair("good")
    box(
        "crm", pop3Url=f"localhost:{port['pop3']}", pop3Password=canary("pop3"), smtpListen=f"127.0.0.1:{free_port()}",
        smtpListenCert=str(cert), smtpListenKey=str(key), **telling,
    )  # fmt: skip
    box("working", imapUrl=f"localhost:{port['imap']}", imapPassword="env:IMAP_PASSWORD", **telling)
    box("pop3", pop3Url=f"localhost:{port['pop3 echo']}", pop3Password=canary("echo"), **echo)
    box("imap", imapUrl=f"localhost:{port['imap echo']}", imapPassword="env:IMAP_PASSWORD", **telling)
    box("plain", pop3Url="pop.firma.cz:x", pop3Password=canary("broken"), **telling)
    box("misspelt", emlDir=str(home / "in"), imapPasword=canary("misspelt"), smtpPasword=canary("misspelt"), **telling)
    boxes.raw(
        f'<configuration><appSettings><add key="pop3Password" value="{canary("broken")}></appSettings>', "torn.xml"
    )
    echo_imap = f"localhost:{port['imap echo']}"
    box("refused", rootPath=oauth("a", endpoint(port["http echo"])), imapUrl=echo_imap, imapOAuth="true", **telling)
    root = oauth("b", endpoint(port["token"]))
    box("token", rootPath=root, imapUrl=f"localhost:{port['imap echo']}", imapOAuth="true", **telling)
    box("token3", rootPath=root, pop3Url=f"localhost:{port['pop3 echo']}", pop3OAuth="true", **telling)
    box(
        "graph",
        rootPath=oauth("c", company.graph.oauth_json(canary("oauth"))),
        graphMailbox="graph@firma.cz",
        **telling,
    )
    sent = {name: value for name, value in echo.items() if name != "smtpPassword"}
    box("sent", rootPath=root, emlDir=str(home / "in2"), smtpOAuth="true", **{**sent, "errorTo": "third@firma.cz"})


def until(happened: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + UNTIL_S
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def states(company: Company) -> dict[str, str]:
    with contextlib.suppress(Exception):
        return dict(company.query("SELECT box, state FROM crm_box_state"))
    return {}


FAILING = {"pop3", "imap", "refused", "token", "token3"}
WORKING = {"crm", "working", "graph"}


def at_work(company: Company) -> bool:
    """Every box had its turn, notices went out, and those that can't go out were tried."""
    state = states(company)
    went_wrong = {name for name, kind in state.items() if kind == "failing"}
    tried = company.query("SELECT DISTINCT box FROM crm_outgoing WHERE attempts > 0") if state else []
    return (
        went_wrong >= FAILING
        and all(state.get(name) == "ok" for name in WORKING)
        and len(company.sink.mails) >= 3
        and {"pop3"} <= {name for (name,) in tried}
    )


def seen_by_others(leader: int) -> bytes:
    """The command lines and names of the service's processes, as ps(1) shows them to everybody."""
    shown = subprocess.run(["ps", "-eo", "pgid,comm,args", "ww"], capture_output=True, check=True).stdout
    mine = [line for line in shown.splitlines() if line.split()[0] == str(leader).encode()]
    assert len(mine) > len(WORKING)
    return b"\n".join(mine)


def look_in(company: Company) -> None:
    """What the service shows by HTTP; in trouble a page is 503, with a body."""
    for page in ("metrics", "health", "live"):
        try:
            answer: Any = urlopen(f"http://127.0.0.1:{company.metrics}/{page}")
        except HTTPError as trouble:
            answer = trouble
        with answer:
            company.keep(page, answer.read())


def crash(company: Company) -> None:
    """A row that can't be read: a fault of the program's own, told with a traceback."""
    company.query(
        "UPDATE crm_notice SET facts = '{', state = 'waiting', about = 'x' WHERE id = (SELECT max(id) FROM crm_notice)"
    )
    until(lambda: b"Traceback" in company.said[-1].read_bytes(), "no traceback")
    company.query("UPDATE crm_notice SET facts = '{}', state = 'sent' WHERE facts = '{'")


COMMANDS = (
    "run --once", "status", "status --json", "check", "check --json", "export", "ledger --json", "verify", "audit",
    "requeue", "canary", "canary status", "backup", "replay", "undo", "simulate --rules manual", "service install --print",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)], indirect=True)
def test_no_secret_is_anywhere_but_where_it_is_kept(company: Company) -> None:
    service = company.start("run")
    try:
        until(lambda: at_work(company), "the service is not at work")
        look_in(company)
        company.keep("ps.txt", seen_by_others(service.pid))
        crash(company)
        service.send_signal(signal.SIGTERM)
        assert service.wait(UNTIL_S) == 0
    finally:
        if service.poll() is None:
            os.killpg(service.pid, signal.SIGKILL)
            service.wait()
    for command in COMMANDS:
        assert company.run(*command.split()) in (0, 1, 75, 78), command
    (company.folder / "one.eml").write_bytes(eml("to be explained"))
    assert company.run("explain", str(company.folder / "one.eml"), "--json", "--box", "crm") == 0
    for number, mail in enumerate(company.sink.mails):
        company.keep(f"mail {number}.eml", bytes(mail.content or b""))  # type: ignore[arg-type]
    if company.postgres:
        company.keep("dump.sql", dump(company))
    assert planted(company) == ["pop3 in said/planted.txt"]
    assert leaks(company) == []


def dump(company: Company) -> bytes:
    """Every row of every table."""
    names = company.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return repr([company.query(f'SELECT * FROM "{name}"') for (name,) in names]).encode()


def planted(company: Company) -> list[str]:
    """What is found of a login that was written down as it is sent: that leaks are found."""
    login = base64.b64encode(f"\0crm@firma.cz\0{canary('pop3')}".encode())
    company.keep("planted.txt", b"AUTH PLAIN " + login)
    found = leaks(company)
    (company.folder / "said" / "planted.txt").unlink()
    return [one for one in found if "planted" in one]
