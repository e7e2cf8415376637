"""What comes to its end is told 30, 7 and 1 days before, each once (SPEC 13.7)."""

from __future__ import annotations

import contextlib
import json
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmservice.config import Box, Login
from crmservice.config.values import Endpoint, Secret
from crmservice.service import certificates, expiry
from crmservice.service.expiry import Ending
from crmservice.store import notices
from crmservice.tls import Timeouts, tls_context
from crmservice.words import Words
from tests.notices.sinks import says, sink
from tests.support import dovecot
from tests.support.certificates import Certificates, make_certificates
from tests.support.stub import ImapStub, serve

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WAITS = Timeouts(connect=2, read=2, session=5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("expiry") / "certificates")


def ends_in_thirty_days(when: datetime) -> bool:
    return timedelta(days=29) < when - datetime.now(UTC) <= timedelta(days=30)


def test_a_certificates_end_is_read_from_its_file(made: Certificates) -> None:
    assert ends_in_thirty_days(certificates.of_file(made.pair("good")[0]))
    assert certificates.of_file(made.pair("expired")[0]) == datetime(2020, 2, 1, tzinfo=UTC)


@given(st.binary(max_size=200))
@example(b"\x30\x80" * 10)
def test_what_is_no_certificate_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        certificates.not_after(data)


@given(st.data())
def test_a_damaged_certificate_breaks_nothing(made: Certificates, data: st.DataObject) -> None:
    text = made.pair("good")[0].read_text()
    der = bytearray(ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN") :].strip() + "\n"))
    der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        certificates.not_after(bytes(der))


@pytest.mark.parametrize("tls", [False, True])
def test_a_mail_servers_certificate_is_read_with_starttls_and_with_tls(made: Certificates, tls: bool) -> None:
    with sink(pair=made.pair("good"), tls=tls) as taken:
        server = Endpoint("localhost", taken.port, "tls" if tls else "starttls")
        assert ends_in_thirty_days(certificates.of_server(server, "smtp", tls_context(made.ca), WAITS))


def test_a_certificate_that_has_expired_is_said_so(made: Certificates) -> None:
    with sink(pair=made.pair("expired"), tls=True) as taken:
        box = Box("crm", "crm@firma.cz", smtp=Endpoint("localhost", taken.port, "tls"), tls_ca_file=made.ca)
        (ending,) = expiry.endings(box, Path(), WAITS)
    assert str(ending.words(NOON)) == f"the certificate of localhost:{taken.port} has expired"
    assert ending.step(NOON) == 0


@pytest.mark.parametrize("protocol", ["pop3", "imap", "smtp"])
def test_a_server_that_does_not_begin_tls_is_no_ending(protocol: str) -> None:
    with serve(says(greeting=b"+OK", stls=b"-ERR", a=b"a NO", starttls=b"502 no")) as (port, _received):
        server = Endpoint("localhost", port, "starttls")
        with pytest.raises(OSError):  # noqa: PT011 (whichever: all of them are told elsewhere)
            certificates.of_server(server, protocol, tls_context(), WAITS)
        box = Box("crm", "crm@firma.cz", **{protocol: server})  # type: ignore[arg-type]
        assert list(expiry.endings(box, Path(), WAITS)) == []


def test_our_own_certificate_and_the_client_secret_end_too(made: Certificates, tmp_path: Path) -> None:
    (tmp_path / "Config").mkdir()
    web = {"client_id": "app", "tenant_id": "t", "token_uri": "https://login.example/t", "client_secret": "s"}
    (tmp_path / "Config" / "MicrosoftOAuth.json").write_text(
        json.dumps({"web": {**web, "client_secret_expires": "2026-03-09"}})
    )
    box = Box("crm", "crm@firma.cz", root_path=tmp_path, smtp_listen_cert=made.pair("good")[0])
    ours, secret = expiry.endings(box, tmp_path, WAITS)
    assert ours.ends is not None
    assert ends_in_thirty_days(ours.ends)
    assert secret.ends is not None
    assert timedelta() < datetime(2026, 3, 10, tzinfo=UTC) - secret.ends < timedelta(seconds=1)
    assert "the client secret of app" in str(secret.words(NOON))
    assert "is good until 2026-03-09 (days left: 7)" in str(secret.words(NOON))


def ending(days: float = 0, percent: int | None = None) -> Ending:
    ends = None if percent is not None else NOON + days * DAY
    return Ending("crm", "certificate mail:993", Words("the certificate of mail:993"), ends, percent)


@pytest.mark.parametrize(
    ("days", "step"), [(31, None), (30, 30), (8, 30), (7, 7), (1.5, 7), (1, 1), (0.1, 1), (0, 0), (-9, 0)]
)
def test_the_steps_are_30_7_and_1_days_and_the_end(days: float, step: int | None) -> None:
    assert ending(days).step(NOON) == step


@pytest.mark.parametrize(("percent", "step"), [(79, None), (80, 80), (89, 80), (90, 90), (120, 90)])
def test_a_mailbox_is_told_at_80_and_90_percent(percent: int, step: int | None) -> None:
    assert ending(percent=percent).step(NOON) == step


def told() -> list[str]:
    return [str(one.facts["what"]) for one in reversed(notices.listed())]


def test_each_step_is_told_once_and_a_renewed_certificate_begins_anew(home: Path) -> None:
    certificate = ending(40)
    for day in range(45):
        expiry.tell([certificate], NOON + day * DAY)
    assert told() == [
        "the certificate of mail:993 is good until 2026-04-11 (days left: 30)",
        "the certificate of mail:993 is good until 2026-04-11 (days left: 7)",
        "the certificate of mail:993 is good until 2026-04-11 (days left: 1)",
        "the certificate of mail:993 has expired",
    ]
    expiry.tell([ending(45 + 20)], NOON + 45 * DAY)
    assert told()[-1].endswith("(days left: 20)")


def test_what_is_seen_late_is_told_once(home: Path) -> None:
    for _ in range(2):
        expiry.tell([ending(5)], NOON)
    assert len(told()) == 1


def test_a_full_mailbox_is_told_once_a_week(home: Path) -> None:
    for day in range(14):
        expiry.tell([ending(percent=85 if day < 7 else 95)], NOON + day * DAY)
    assert told() == ["the certificate of mail:993 is 85 % full", "the certificate of mail:993 is 95 % full"]


def imap_box(port: int) -> Box:
    return Box("crm", "crm@firma.cz", imap=Endpoint("127.0.0.1", port, "plain"), imap_login=Login("crm", Secret("x")))


def test_a_quota_is_read_where_the_server_has_it(tmp_path: Path) -> None:
    answer = b'* QUOTAROOT INBOX "user"\r\n* QUOTA "user" (STORAGE 90 100 MESSAGE 5 0)\r\nTAG OK done\r\n'
    stub = ImapStub({}, capabilities=b"IMAP4rev1 AUTH=PLAIN QUOTA", answers={b"GETQUOTAROOT": answer})
    with serve(stub) as (port, _received):
        (found,) = expiry.endings(imap_box(port), tmp_path, WAITS)
    assert (found.key, found.percent) == ("room crm user STORAGE", 90)
    with serve(ImapStub({})) as (port, _received):
        assert list(expiry.endings(imap_box(port), tmp_path, WAITS)) == []


@pytest.mark.parametrize("answer", [b"TAG NO not now\r\n", b"* QUOTA x (STORAGE a b)\r\nTAG OK\r\n", b"garbage\r\n"])
def test_a_server_that_lies_about_its_quota_is_no_ending(tmp_path: Path, answer: bytes) -> None:
    stub = ImapStub({}, capabilities=b"IMAP4rev1 AUTH=PLAIN QUOTA", answers={b"GETQUOTAROOT": answer})
    with serve(stub) as (port, _received):
        assert list(expiry.endings(imap_box(port), tmp_path, WAITS)) == []


@pytest.fixture(scope="module")
def full() -> Iterator[dovecot.Dovecot]:
    if reason := dovecot.why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="crmservice-dovecot-") as base:
        running = dovecot.start(Path(base), more=dovecot.QUOTA)
        yield running
        running.stop()


@pytest.mark.server
def test_a_real_servers_certificates_and_quota(full: dovecot.Dovecot, tmp_path: Path) -> None:
    full.deliver(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 420_000)
    login = Login("crm@firma.cz", Secret(full.password))
    box = Box(
        "crm", "crm@firma.cz", tls_ca_file=full.certificates.ca,
        pop3=Endpoint("localhost", full.ports["pop3"], "starttls"),
        imap=Endpoint("localhost", full.ports["imap"], "starttls"), imap_login=login,
    )  # fmt: skip
    pop3, imap, room = expiry.endings(box, tmp_path, WAITS)
    assert pop3.ends == imap.ends
    assert pop3.ends is not None
    assert ends_in_thirty_days(pop3.ends)
    assert room.percent is not None
    assert 80 <= room.percent < 85
    assert "STORAGE" in room.key
