"""Sending to real and to hostile mail servers: TLS, login, waits, and whose fault it is."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from crmservice.config import Login
from crmservice.config.values import Endpoint, Secret, Security
from crmservice.notices.channel import Channel
from crmservice.notices.smtp import MailRefused, ServerFault, Session, Token
from crmservice.tls import Timeouts
from tests.notices.sinks import Sink, says, silence, sink
from tests.support.certificates import Certificates
from tests.support.stub import Talk, serve

WAITS = Timeouts(connect=5, read=5, session=10)
RAW = b"Subject: pokus\r\n\r\n.tecka\r\nkonec\r\n"
PASSWORD = "heslo ř"


def channel(port: int, security: Security = "plain", login: Login | None = None, ca: Path | None = None) -> Channel:
    return Channel("crm", Endpoint("localhost", port, security), "crm@firma.cz", "spravce@firma.cz", login, ca)


def send(to: Channel, waits: Timeouts = WAITS, token: Token | None = None) -> None:
    with Session(to, waits, token) as session:
        session.send(to.recipient, RAW)


def login(*, oauth: bool = False) -> Login:
    return Login("crm@firma.cz", None if oauth else Secret(PASSWORD), oauth)


def test_a_mail_arrives_as_it_was_written() -> None:
    with sink() as taken:
        send(channel(taken.port))
    (mail,) = taken.mails
    assert (mail.mail_from, mail.rcpt_tos) == ("crm@firma.cz", ["spravce@firma.cz"])
    assert mail.content == RAW


def test_starttls_is_used_and_the_server_verified(certificates: Certificates) -> None:
    with sink(pair=certificates.pair("good")) as taken:
        send(channel(taken.port, "starttls", ca=certificates.ca))
        with pytest.raises(ServerFault, match="certificate is refused"):
            send(channel(taken.port, "starttls"))
    assert len(taken.mails) == 1


def test_tls_from_the_first_byte_on(certificates: Certificates) -> None:
    with sink(pair=certificates.pair("good"), tls=True) as taken:
        send(channel(taken.port, "tls", ca=certificates.ca))
    assert len(taken.mails) == 1
    with (
        sink(pair=certificates.pair("wrong_host"), tls=True) as other,
        pytest.raises(ServerFault, match="certificate is refused"),
    ):
        send(channel(other.port, "tls", ca=certificates.ca))


def test_a_server_without_starttls_gets_neither_password_nor_mail() -> None:
    with serve(says(ehlo=b"250-stub\r\n250 AUTH PLAIN")) as (port, received):
        with pytest.raises(ServerFault, match="offers no STARTTLS"):
            send(channel(port, "starttls", login()))
        assert b"AUTH" not in received
        assert b"MAIL" not in received.upper()


def test_a_password_signs_in(certificates: Certificates) -> None:
    with sink(pair=certificates.pair("good"), login=True) as taken:
        send(channel(taken.port, "starttls", login(), certificates.ca))
    assert taken.logins == [("PLAIN", b"crm@firma.cz", PASSWORD.encode())]
    assert len(taken.mails) == 1


def test_auth_login_where_there_is_no_plain() -> None:
    with serve(says(ehlo=b"250-stub\r\n250 AUTH LOGIN", auth=b"334 VXNlcm5hbWU6")) as (port, received):
        with pytest.raises(ServerFault):  # the stub says 250 to what is no command
            send(channel(port, "plain", login()))
        assert b"AUTH LOGIN\r\nY3JtQGZpcm1hLmN6\r\n" in received


def test_a_wrong_password_makes_all_mail_wait_and_is_never_shown() -> None:
    wrong = Login("crm@firma.cz", Secret("tajné-heslo"))
    with sink(login=True) as taken, pytest.raises(ServerFault, match="check smtpName and smtpPassword") as fault:
        send(channel(taken.port, "plain", wrong))
    assert "tajn" not in str(fault.value)
    assert taken.mails == []


def test_a_server_that_repeats_the_password_does_not_spread_it() -> None:
    shown = b"535 AGNybUBmaXJtYS5jegBoZXNsbyDFmQ== means heslo \xc5\x99"
    answers = says(ehlo=b"250-stub\r\n250 AUTH PLAIN", auth=shown)
    with serve(answers) as (port, _received), pytest.raises(ServerFault) as fault:
        send(channel(port, "plain", login()))
    assert "*** means ***" in str(fault.value)


class Tokens:
    def __init__(self, token: str) -> None:
        self.token = token
        self.dropped: list[str] = []

    def __call__(self) -> str:
        return self.token

    def refused(self, token: str) -> None:
        self.dropped.append(token)


def test_xoauth2_signs_in_with_a_token() -> None:
    with sink(login=True) as taken:
        send(channel(taken.port, "plain", login(oauth=True)), token=Tokens("good"))
    assert taken.logins == [("XOAUTH2", b"user=crm@firma.cz\1auth=Bearer good\1\1", b"")]
    assert len(taken.mails) == 1


def test_a_refused_token_is_dropped_and_never_said_twice() -> None:
    tokens = Tokens("bad")
    with sink(login=True) as taken, pytest.raises(ServerFault, match=r"SMTP\.SendAsApp"):
        send(channel(taken.port, "plain", login(oauth=True)), token=tokens)
    assert [said for _mechanism, said, _ in taken.logins] == [b"user=crm@firma.cz\1auth=Bearer bad\1\1", b""]
    assert tokens.dropped == ["bad"]


@pytest.mark.parametrize(
    ("answers", "permanent"),
    [
        ({"rcpt": b"550 5.1.1 no such user"}, True),
        ({"rcpt": b"451 4.7.1 greylisted"}, False),
        ({"data": b"554 5.7.1 not today"}, True),
        ({"end": b"552 5.3.4 too big"}, True),
        ({"end": b"452 4.3.1 disk full"}, False),
    ],
)
def test_a_refused_mail_is_no_fault_of_the_server(answers: dict[str, bytes | None], permanent: bool) -> None:
    with serve(says(**answers)) as (port, _received), pytest.raises(MailRefused) as fault:
        send(channel(port))
    assert fault.value.permanent is permanent
    (said,) = {text.decode() for text in answers.values() if text}
    assert said in str(fault.value)


def test_after_a_refusal_the_next_mail_goes_through_in_the_same_session() -> None:
    taken = Sink(recipients={"nikdo@firma.cz": "550 no such user"})
    with sink(taken), Session(channel(taken.port), WAITS) as session:
        with pytest.raises(MailRefused):
            session.send("nikdo@firma.cz", RAW)
        session.send("spravce@firma.cz", RAW)
    assert [mail.rcpt_tos for mail in taken.mails] == [["spravce@firma.cz"]]


@pytest.mark.parametrize(
    "answers",
    [
        {"greeting": None},
        {"greeting": b"554 go away"},
        {"greeting": b"421 too busy"},
        {"ehlo": b"421 too busy", "helo": b"421 too busy"},
        {"mail": b"421 too busy"},
        {"mail": b"530 5.7.0 sign in first"},
        {"mail": None},
        {"data": None},
        {"rcpt": b"garbage"},
    ],
)
def test_a_server_that_can_not_be_used_makes_all_mail_wait(answers: dict[str, bytes | None]) -> None:
    with serve(says(**answers)) as (port, _received), pytest.raises(ServerFault, match="localhost"):
        send(channel(port))


def test_nobody_there_is_a_fault_of_the_server() -> None:
    with serve(says()) as (port, _received):
        pass
    with pytest.raises(ServerFault, match="refuses the connection"):
        send(channel(port))


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_allowed() -> None:
    asked = threading.Event()
    with serve(silence(asked)) as (port, _received):
        begun = time.monotonic()
        with pytest.raises(ServerFault, match="did not answer in time"):
            send(channel(port), Timeouts(connect=0.3, read=0.3, session=5))
        assert time.monotonic() - begun < 4
    assert asked.is_set()


def test_a_server_that_trickles_is_waited_for_no_longer_than_the_session() -> None:
    def trickle(talk: Talk) -> None:
        while True:
            talk.raw(b"2")
            time.sleep(0.05)

    with serve(trickle) as (port, _received), pytest.raises(ServerFault, match="did not answer in time"):
        send(channel(port), Timeouts(connect=1, read=1, session=0.3))


def test_a_ca_file_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(ServerFault, match="tlsCaFile"):
        send(channel(1, ca=tmp_path / "ca.pem"))
