from __future__ import annotations

import base64
import logging
import os
import resource
import threading
import time
from dataclasses import replace

import pytest

from crmservice.config import Endpoint, Login, Secret
from crmservice.config.values import Security
from crmservice.microsoft.tokens import Token
from crmservice.sources import Fetched, SourceError
from crmservice.sources.imap import ImapSource
from crmservice.testing.source_contract import NOTHING, message
from crmservice.testing.tokens import FixedToken
from crmservice.tls import Timeouts, tls_context
from tests.support.dovecot import Dovecot
from tests.support.stub import ImapStub, Talk, serve

CANARY = "S3CR3T-CANARY-7f"
QUICK = Timeouts(2, 2, 20)
CONTEXT = tls_context()


def source(port: int, security: Security = "plain", token: Token | None = None, *, renew: float = 60) -> ImapSource:
    login = Login("crm", None if token else Secret(CANARY), oauth=token is not None)
    return ImapSource(Endpoint("127.0.0.1", port, security), login, CONTEXT, replace(QUICK, idle=renew), token)


def all_of(one: ImapSource, limit: int = 10_000) -> list[Fetched]:
    try:
        return list(one.fetch(NOTHING.__contains__, limit))
    finally:
        one.close()


def refused(stub: ImapStub, security: Security = "plain") -> tuple[SourceError, bytes]:
    """The error of a session with this server, and what the server got."""
    with serve(stub) as (port, received):
        with pytest.raises(SourceError) as caught:
            all_of(source(port, security))
        return caught.value, bytes(received)


def has_credentials(received: bytes) -> bool:
    plain = base64.b64encode(f"\0crm\0{CANARY}".encode())
    return CANARY.encode() in received or plain in received or b"LOGIN" in received or b"AUTHENTICATE" in received


def test_the_stub_is_read_like_a_server() -> None:
    stub = ImapStub({5: message(5), 9: message(9)})
    with serve(stub) as (port, received):
        one = source(port)
        found = list(one.fetch(NOTHING.__contains__, 10_000))
        assert [(seen.source_id, seen.data) for seen in found] == [("7:5", message(5)), ("7:9", message(9))]
        assert one.confirm(["7:9"]) == ["7:9"]
        one.close()
    assert list(stub.messages) == [5]
    assert b"UID EXPUNGE 9" in received
    assert b"Seen" not in received
    assert received.count(b"BODY[]") == 0


@pytest.mark.parametrize("size", [3_000_000_000, 99_999_999_999_999_999_999])
def test_a_literal_of_three_gigabytes_is_refused_before_it_is_read(size: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    literal = b"* 1 FETCH (UID 5 BODY[]<0> {%d}\r\n" % size
    with serve(ImapStub({5: message(5)}, bodies={5: literal})) as (port, _):
        one = source(port)
        assert list(one.fetch(NOTHING.__contains__, 10_000)) == []
        one.close()
    assert "more than was asked for" in str(one.faults[0])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_a_literal_in_the_greeting_is_refused_before_it_is_read() -> None:
    error, _ = refused(ImapStub({}, greeting=b"* OK {3000000000}\r\n"))
    assert "more than was asked for" in str(error)


def test_a_lie_about_a_size_costs_that_message_alone() -> None:
    big = b"Subject: big\r\n\r\n" + b"x" * 5_000_000
    stub = ImapStub({uid: message(uid) for uid in range(1, 5)} | {3: big}, sizes={3: 100})
    lie = b"* 3 FETCH (UID 3 BODY[]<0> {%d}\r\n%s)\r\n" % (len(big), big)
    stub.bodies = {3: lie}  # not even the partial fetch is kept to
    with serve(stub) as (port, _):
        one = source(port)
        found = list(one.fetch(NOTHING.__contains__, 10_000))
        found += list(one.fetch(NOTHING.__contains__, 10_000))
        one.close()
    assert [seen.source_id for seen in found] == ["7:1", "7:2", "7:4"]


@pytest.mark.parametrize("size", [-1, 0, 2**63, 100])
def test_an_announced_size_decides_nothing(size: int) -> None:
    stub = ImapStub({1: message(1), 2: message(2)}, sizes={1: size})
    with serve(stub) as (port, _):
        assert [seen.data for seen in all_of(source(port))] == [message(1), message(2)]


def test_a_flood_of_lines_nobody_asked_for_ends_the_session() -> None:
    error, _ = refused(ImapStub({1: message(1)}, answers={b"SELECT": b"* 1 RECENT\r\n" * 100_000}))
    assert "more than was asked for" in str(error)


def test_an_endless_line_ends_the_session() -> None:
    error, _ = refused(ImapStub({1: message(1)}, answers={b"SELECT": b"* OK " + b"x" * 2_000_000}))
    assert "endless line" in str(error)


def test_a_silent_server_is_left_in_time() -> None:
    error, _ = refused(ImapStub({}, answers={b"SELECT": b""}))
    assert "in time" in str(error)
    assert not error.permanent


def test_a_folder_without_uidvalidity_is_not_read() -> None:
    error, _ = refused(ImapStub({1: message(1)}, validity=0))
    assert "UIDVALIDITY" in str(error)


def test_messages_that_another_client_deletes_meanwhile_are_no_error() -> None:
    class Deleting(ImapStub):
        def _fetch(self, talk: Talk, command: bytes) -> None:
            if b"BODY" in command:
                self.messages.pop(2, None)
            super()._fetch(talk, command)

    with serve(Deleting({1: message(1), 2: message(2), 3: message(3)})) as (port, _):
        one = source(port)
        assert [seen.source_id for seen in one.fetch(NOTHING.__contains__, 10_000)] == ["7:1", "7:3"]
        assert one.faults == []
        one.close()


def test_a_message_that_lies_there_and_is_not_given_is_a_fault() -> None:
    with serve(ImapStub({1: message(1), 2: message(2), 3: message(3)}, bodies={2: b""})) as (port, _):
        one = source(port)
        assert [seen.source_id for seen in one.fetch(NOTHING.__contains__, 10_000)] == ["7:1", "7:3"]
        assert "7:2: the server gave no text" in str(one.faults[0])
        one.close()


def test_a_message_that_is_announced_and_comes_empty_is_left_there() -> None:
    empty = b"* 2 FETCH (UID 2 BODY[]<0> {0}\r\n)\r\n"
    with serve(ImapStub({1: message(1), 2: message(2)}, bodies={2: empty})) as (port, _):
        one = source(port)
        assert [seen.source_id for seen in one.fetch(NOTHING.__contains__, 10_000)] == ["7:1"]
        assert "7:2: the server gave no text" in str(one.faults[0])
        one.close()


# Deleting


def test_a_folder_that_is_open_for_reading_only_is_named_as_such() -> None:
    answer = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nTAG OK [READ-ONLY] selected\r\n"
    error, _ = refused(ImapStub({1: message(1)}, answers={b"SELECT": answer}))
    assert "open for reading only" in str(error)


class Leaving(ImapStub):
    """Breaks the connection off when something is to be deleted."""

    def _answer(self, talk: Talk, command: bytes) -> None:
        if command.startswith(b"UID STORE"):
            raise ConnectionResetError
        super()._answer(talk, command)


@pytest.mark.parametrize(
    ("stub", "said"),
    [
        (Leaving({1: message(1)}), "broke the connection off"),
        (ImapStub({1: message(1)}, answers={b"UID STORE": b"TAG NO [LIMIT] later\r\n"}), "it says '[LIMIT] later'"),
    ],
    ids=["gone", "refused"],
)
def test_a_fault_while_deleting_is_not_told_in_a_librarys_words(stub: ImapStub, said: str) -> None:
    with serve(stub) as (port, _):
        one = source(port)
        list(one.fetch(NOTHING.__contains__, 10_000))
        with pytest.raises(SourceError, match="deleting") as caught:
            one.confirm(["7:1"])
    assert said in str(caught.value)
    assert "command:" not in str(caught.value)


def test_uidvalidity_is_looked_at_again_before_deleting() -> None:
    stub = ImapStub({1: message(1)})
    with serve(stub) as (port, received):
        one = source(port)
        ids = [seen.source_id for seen in one.fetch(NOTHING.__contains__, 10_000)]
        stub.validity = 8
        assert one.confirm(ids) == []
        assert "UIDVALIDITY" in str(one.faults[0])
        one.close()
    assert b"STORE" not in received
    assert list(stub.messages) == [1]


def test_a_server_that_says_it_deleted_and_did_not_is_told_of() -> None:
    stub = ImapStub({1: message(1), 2: message(2)}, answers={b"UID EXPUNGE": b"TAG OK EXPUNGE completed\r\n"})
    with serve(stub) as (port, _):
        one = source(port)
        ids = [seen.source_id for seen in one.fetch(NOTHING.__contains__, 10_000)]
        assert one.confirm(ids) == []
        assert "still has them (2)" in str(one.faults[0])
        one.close()


def test_without_uidplus_everything_marked_is_expunged_if_it_is_ours_alone() -> None:
    stub = ImapStub({1: message(1), 2: message(2)}, capabilities=b"IMAP4rev1 AUTH=PLAIN", deleted={1})
    with serve(stub) as (port, _):
        one = source(port)
        list(one.fetch(NOTHING.__contains__, 10_000))
        assert one.confirm(["7:1"]) == ["7:1"]
        one.close()
    assert list(stub.messages) == [2]


def test_without_uidplus_nothing_is_expunged_beside_what_others_marked() -> None:
    stub = ImapStub({1: message(1), 2: message(2)}, capabilities=b"IMAP4rev1 AUTH=PLAIN", deleted={2})
    with serve(stub) as (port, received):
        one = source(port)
        list(one.fetch(NOTHING.__contains__, 10_000))
        assert one.confirm(["7:1"]) == []
        assert "UIDPLUS" in str(one.faults[0])
        assert list(one.fetch(NOTHING.__contains__, 10_000)) == []
        one.close()
    assert stub.deleted == {1, 2}
    assert b"EXPUNGE" not in received


def test_without_uidplus_what_another_marks_while_ours_are_marked_is_not_expunged() -> None:
    class Marked(ImapStub):
        def _answer(self, talk: Talk, command: bytes) -> None:
            super()._answer(talk, command)
            if command.startswith(b"UID STORE"):
                self.deleted.add(2)

    stub = Marked({1: message(1), 2: message(2)}, capabilities=b"IMAP4rev1 AUTH=PLAIN")
    with serve(stub) as (port, received):
        one = source(port)
        list(one.fetch(NOTHING.__contains__, 10_000))
        assert one.confirm(["7:1"]) == []
        one.close()
    assert b"EXPUNGE" not in received


def test_without_uidplus_marks_of_ours_from_before_are_not_taken_for_anothers() -> None:
    messages = {uid: message(uid) for uid in range(1, 121)}
    stub = ImapStub(dict(messages), capabilities=b"IMAP4rev1 AUTH=PLAIN", deleted=set(messages))
    with serve(stub) as (port, _):
        one = source(port)
        durable: list[str] = []
        while batch := list(one.fetch(NOTHING.__contains__, 10_000)):
            durable += [seen.source_id for seen in batch]
            if one.due(len(durable)):
                assert one.confirm(durable) == durable
                durable = []
        one.close()
    assert (durable, stub.messages) == ([], {})


def test_ids_that_are_none_of_ours_never_reach_the_server() -> None:
    stub = ImapStub({1: message(1)})
    with serve(stub) as (port, received):
        one = source(port)
        assert one.confirm(["7:1\r\nA1 DELETE INBOX", "7:*", "7:1:3", "x", "7:²"]) == []
        one.close()
    assert b"STORE" not in received
    assert b"DELETE" not in received


# What must never go over the line


@pytest.mark.parametrize(
    "stub",
    [
        ImapStub({}, greeting=b"* PREAUTH come in\r\n", capabilities=b"IMAP4rev1 STARTTLS AUTH=PLAIN"),
        ImapStub({}, capabilities=b"IMAP4rev1 AUTH=PLAIN"),
        ImapStub({}, capabilities=b"IMAP4rev1 STARTTLS AUTH=PLAIN", answers={b"STARTTLS": b"TAG BAD no\r\n"}),
        ImapStub(
            {}, capabilities=b"IMAP4rev1 STARTTLS AUTH=PLAIN",
            answers={b"STARTTLS": b"TAG OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"},
        ),
        ImapStub({}, capabilities=b"IMAP4rev1 STARTTLS AUTH=PLAIN", answers={b"STARTTLS": b"* PREAUTH x\r\nTAG OK go\r\nhello"}),
    ],
    ids=["preauth", "stripped", "refused", "injected", "injected text"],
)  # fmt: skip
def test_starttls_refused_or_tampered_with_ends_the_session_without_a_credential(stub: ImapStub) -> None:
    _, received = refused(stub, "starttls")
    assert not has_credentials(received)
    assert b"STORE" not in received


def test_a_server_without_starttls_is_told_as_such_and_not_tried_again_soon() -> None:
    error, _ = refused(ImapStub({}, capabilities=b"IMAP4rev1 AUTH=PLAIN"), "starttls")
    assert "it does not offer STARTTLS" in str(error)
    assert error.permanent


def test_a_server_that_takes_no_password_gets_none() -> None:
    error, received = refused(ImapStub({}, capabilities=b"IMAP4rev1 LOGINDISABLED"))
    assert error.permanent
    assert not has_credentials(received)


@pytest.mark.parametrize("capabilities", [b"IMAP4rev1 AUTH=PLAIN", b"IMAP4rev1"])
@pytest.mark.parametrize(("code", "permanent"), [(b"[AUTHENTICATIONFAILED]", True), (b"[UNAVAILABLE]", False)])
def test_a_failed_login_says_what_to_do_and_never_the_password(
    capabilities: bytes, code: bytes, permanent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    said = b"TAG NO " + code + b" wrong: " + CANARY.encode() + b"\r\n"
    stub = ImapStub({}, capabilities=capabilities, answers={b"AUTHENTICATE": b"+ \r\n", b"LOGIN": said})

    def handler(talk: Talk) -> None:
        line = talk.line

        def watched() -> bytes:
            found = line()
            if b" " not in found:  # the answer to the challenge
                talk.raw(said.replace(b"TAG", tags[-1]))
                return line()
            tags.append(found.partition(b" ")[0])
            return found

        tags: list[bytes] = []
        talk.line = watched  # type: ignore[method-assign]
        stub(talk)

    with caplog.at_level(logging.DEBUG), serve(handler) as (port, _), pytest.raises(SourceError) as caught:
        all_of(source(port))
    assert caught.value.permanent == permanent
    assert "127.0.0.1" in str(caught.value)
    assert CANARY not in caplog.text + str(caught.value) + repr(caught.value)


def test_a_refused_token_is_sent_once() -> None:
    why = base64.b64encode(b'{"status":"401"}')
    answers: list[bytes] = []

    def handler(talk: Talk) -> None:
        talk.send(b"* OK ready")
        tag = talk.line().partition(b" ")[0]
        talk.send(b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2", tag + b" OK done")
        tag = talk.line().partition(b" ")[0]
        talk.send(b"+ ")
        answers.append(talk.line())
        talk.send(b"+ " + why)
        answers.append(talk.line())
        talk.send(tag + b" NO AUTHENTICATE failed.")

    token = FixedToken(CANARY)
    with serve(handler) as (port, _), pytest.raises(SourceError, match="enterprise application") as caught:
        all_of(source(port, token=token))
    assert token.refusals == [CANARY]
    assert answers == [base64.b64encode(f"user=crm\1auth=Bearer {CANARY}\1\1".encode()), b""]
    assert CANARY not in str(caught.value)


# Dovecot


@pytest.fixture
def mailbox(server: Dovecot) -> Dovecot:
    server.empty()
    return server


def real(server: Dovecot, password: str = CANARY, renew: float = 60) -> ImapSource:
    endpoint = Endpoint("localhost", server.ports["imaps"], "tls")
    context = tls_context(server.certificates.ca)
    return ImapSource(endpoint, Login("crm@firma.cz", Secret(password)), context, replace(QUICK, idle=renew))


@pytest.mark.server
def test_mail_that_is_read_is_not_marked_as_seen(mailbox: Dovecot) -> None:
    mailbox.deliver(message(1))
    all_of(real(mailbox))
    files = [path for folder in ("new", "cur") for path in (mailbox.maildir("crm@firma.cz") / folder).iterdir()]
    assert len(files) == 1
    assert "S" not in files[0].name.partition(":2,")[2]


@pytest.mark.server
def test_mail_that_another_client_takes_away_is_no_error(mailbox: Dovecot) -> None:
    for number in range(3):
        mailbox.deliver(message(number))
    first, second = real(mailbox), real(mailbox)
    ids = [seen.source_id for seen in first.fetch(NOTHING.__contains__, 10_000)]
    list(second.fetch(NOTHING.__contains__, 10_000))
    second.confirm(ids[:1])
    assert sorted(first.confirm(ids)) == sorted(ids)
    first.close()
    second.close()
    assert mailbox.left() == []


# Waiting for mail


def read_all(one: ImapSource) -> list[bytes]:
    found = list(one.fetch(NOTHING.__contains__, 10_000))
    one.confirm([seen.source_id for seen in found])
    assert list(one.fetch(NOTHING.__contains__, 10_000)) == []
    return [seen.data for seen in found]


def logins(server: Dovecot) -> int:
    return (server.base / "dovecot.log").read_text().count("imap-login: Info: Login:")


@pytest.mark.server
def test_idle_tells_of_new_mail_at_once_and_the_session_goes_on(mailbox: Dovecot) -> None:
    before = logins(mailbox)
    mailbox.deliver(message(0))
    one = real(mailbox)
    assert read_all(one) == [message(0)]
    later = threading.Timer(0.3, mailbox.deliver, [message(1)])
    later.start()
    started = time.monotonic()
    heard = one.wait(20)
    took = time.monotonic() - started
    later.join()
    assert heard
    assert took < 10
    assert read_all(one) == [message(1)]
    assert logins(mailbox) == before + 1
    one.close()


@pytest.mark.server
def test_what_came_between_the_last_fetch_and_idle_is_noticed_at_once(mailbox: Dovecot) -> None:
    mailbox.deliver(message(0))
    one = real(mailbox)
    read_all(one)
    mailbox.deliver(message(1))
    started = time.monotonic()
    assert one.wait(20)
    assert time.monotonic() - started < 5
    assert read_all(one) == [message(1)]
    one.close()


@pytest.mark.server
def test_mail_that_is_left_there_is_no_news(mailbox: Dovecot) -> None:
    mailbox.deliver(message(0))
    one = real(mailbox)
    assert len(list(one.fetch(NOTHING.__contains__, 10_000))) == 1
    assert list(one.fetch(NOTHING.__contains__, 10_000)) == []
    assert not one.wait(0.3)
    assert len(list(one.fetch(NOTHING.__contains__, 10_000))) == 1
    one.close()


@pytest.mark.server
def test_idle_ends_when_nothing_comes_and_is_renewed_meanwhile(mailbox: Dovecot) -> None:
    one = real(mailbox, renew=0.1)
    assert not one.wait(0.35)
    assert list(one.fetch(NOTHING.__contains__, 10_000)) == []
    one.close()


@pytest.mark.server
def test_waiting_ends_when_somebody_wakes_it(mailbox: Dovecot) -> None:
    ours, theirs = os.pipe()
    one = real(mailbox)
    later = threading.Timer(0.2, os.write, [theirs, b"."])
    later.start()
    started = time.monotonic()
    assert not one.wait(20, ours)
    assert time.monotonic() - started < 10
    later.join()
    one.close()
    os.close(ours)
    os.close(theirs)


def test_idle_is_begun_anew_before_its_time_is_over() -> None:
    stub = ImapStub({}, capabilities=b"IMAP4rev1 IDLE AUTH=PLAIN")
    with serve(stub) as (port, received):
        one = source(port, renew=0.02)
        assert not one.wait(0.5)
        one.close()
    assert bytes(received).count(b" IDLE\r\nDONE\r\n") >= 3


def test_a_server_without_idle_is_waited_for_without_it() -> None:
    ours, theirs = os.pipe()
    with serve(ImapStub({})) as (port, received):
        one = source(port)
        started = time.monotonic()
        assert not one.wait(0.2)
        assert time.monotonic() - started >= 0.2
        os.write(theirs, b".")
        assert not one.wait(20, ours)
    assert b"IDLE" not in received
    os.close(ours)
    os.close(theirs)


def test_a_server_that_is_gone_without_a_word_while_waiting_is_noticed_when_idle_is_renewed() -> None:
    """As behind a firewall that forgot the connection: nothing is refused, nothing ends, nobody answers."""
    stub = ImapStub({1: message(1)}, capabilities=b"IMAP4rev1 IDLE UIDPLUS AUTH=PLAIN")
    sessions: list[Talk] = []

    def handler(talk: Talk) -> None:
        sessions.append(talk)
        line = talk.line

        def heard() -> bytes:
            said = line()
            while len(sessions) == 1 and said == b"DONE":
                said = line()  # nothing more is ever answered in the first session
            return said

        talk.line = heard  # type: ignore[method-assign]
        stub(talk)

    with serve(handler) as (port, _):
        one = source(port, renew=0.1)
        assert len(read_all(one)) == 1
        started = time.monotonic()
        with pytest.raises(SourceError, match="did not answer in time") as caught:
            one.wait(20)
        assert time.monotonic() - started < 10
        assert not caught.value.permanent
        stub.messages[2] = message(2)
        assert read_all(one) == [message(2)]
        one.close()
    assert len(sessions) == 2


@pytest.mark.parametrize("said", [b"", b"* BYE going down\r\n"])
def test_a_connection_that_ends_while_waiting_is_noticed_at_once(said: bytes) -> None:
    stub = ImapStub({}, capabilities=b"IMAP4rev1 IDLE AUTH=PLAIN")

    def handler(talk: Talk) -> None:
        line = talk.line

        def watched() -> bytes:
            found = line()
            if found.endswith(b" IDLE"):
                talk.raw(b"+ idling\r\n" + said)
                raise ConnectionResetError
            return found

        talk.line = watched  # type: ignore[method-assign]
        stub(talk)

    with serve(handler) as (port, _):
        one = source(port)
        started = time.monotonic()
        with pytest.raises(SourceError, match="waiting for mail"):
            one.wait(20)
        assert time.monotonic() - started < 5


def test_news_of_a_server_that_names_no_uidnext_is_its_number_of_messages() -> None:
    stub = ImapStub({5: message(5)}, capabilities=b"IMAP4rev1 IDLE AUTH=PLAIN")
    with serve(stub) as (port, _):
        one = source(port)
        list(one.fetch(NOTHING.__contains__, 10_000))
        list(one.fetch(NOTHING.__contains__, 10_000))
        assert not one.wait(0.1)
        stub.messages[6] = message(6)
        assert one.wait(20)
        one.close()


def test_a_server_that_announces_more_messages_than_there_are_is_read_to_its_end() -> None:
    stub = ImapStub(
        {5: message(5)},
        answers={b"SELECT": b"* 9223372036854775808 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nTAG OK done\r\n"},
    )
    with serve(stub) as (port, _):
        assert [seen.source_id for seen in all_of(source(port))] == ["7:5"]


@pytest.mark.server
def test_a_wrong_password_is_permanent_and_not_shown(mailbox: Dovecot, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError, match="check imapName") as caught:
        all_of(real(mailbox, password="WRONG-CANARY"))
    assert caught.value.permanent
    assert "WRONG-CANARY" not in str(caught.value) + caplog.text


@pytest.mark.server
def test_a_password_beyond_ascii_is_sent_as_utf_8(mailbox: Dovecot) -> None:
    with pytest.raises(SourceError, match="check imapName"):
        all_of(real(mailbox, password="žluťoučký"))


@pytest.mark.server
def test_a_folder_that_does_not_exist_is_permanent_and_named(
    mailbox: Dovecot, capfd: pytest.CaptureFixture[str]
) -> None:
    one = real(mailbox)
    one.folder = "Příchozí"
    with pytest.raises(SourceError, match="check imapFolder") as caught:
        all_of(one)
    assert caught.value.permanent
    assert "'Příchozí'" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_folder_that_is_closed_for_now_is_tried_again() -> None:
    error, _ = refused(ImapStub({}, answers={b"SELECT": b"TAG NO [UNAVAILABLE] maintenance\r\n"}))
    assert not error.permanent


def test_a_server_that_is_full_is_tried_again_and_quoted() -> None:
    error, _ = refused(ImapStub({}, greeting=b"* BYE too many connections\r\n"))
    assert not error.permanent
    assert "too many connections" in str(error)
