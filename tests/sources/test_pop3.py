from __future__ import annotations

import base64
import logging
import re
import resource
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.config import Endpoint, Login, Secret
from crmservice.config.values import Security
from crmservice.microsoft.tokens import Token
from crmservice.sources import Fetched, SourceError
from crmservice.sources.pop3 import Pop3Source
from crmservice.testing.source_contract import NOTHING, message
from crmservice.testing.tokens import FixedToken
from crmservice.tls import Timeouts, tls_context
from tests.support.stub import Pop3Stub, Talk, serve

CANARY = "S3CR3T-CANARY-7f"
QUICK = Timeouts(2, 0.5, 5)
CONTEXT = tls_context()


def source(port: int, security: Security = "plain", token: Token | None = None, *, name: str = "crm") -> Pop3Source:
    login = Login(name, None if token else Secret(CANARY), oauth=token is not None)
    return Pop3Source(Endpoint("127.0.0.1", port, security), login, CONTEXT, QUICK, token)


def fetched(one: Pop3Source, limit: int = 10_000) -> list[Fetched]:
    return list(one.fetch(NOTHING.__contains__, limit))


def all_of(one: Pop3Source, limit: int = 10_000) -> list[Fetched]:
    """What comes in a session that is then closed."""
    try:
        return fetched(one, limit)
    finally:
        one.close()


def bodies(stub: Pop3Stub, limit: int = 10_000) -> tuple[list[bytes], list[str]]:
    """What comes, and the faults named beside it."""
    with serve(stub) as (port, _):
        one = source(port)
        found = [found.data for found in fetched(one, limit)]
        one.close()
        return found, list(map(str, one.faults))


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: a\r\n\r\n" + b"x" * 3_000 + b"\r\n", b"Subject: a\r\n\r\n" + b"x" * 1_000_000 + b"\r\n",
        b"a\nb\n.\nc\r\n", b"a\rb\r.\r\n", b"nul\0nul\r\n", b".\r\n", b"..\r\n.\r\n", b"\r\n", b".a\r\n", bytes(range(256)) + b"\r\n",
    ],
)  # fmt: skip
def test_odd_bytes_come_as_they_are(data: bytes) -> None:
    assert bodies(Pop3Stub([data, message(1)]), 2_000_000) == ([data, message(1)], [])


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b"\n", b"\n.", b"\r", b".\r"]), max_size=6))
def test_any_line_of_dots_comes_as_it_is(lines: list[bytes]) -> None:
    data = b"".join(line + b"\r\n" for line in lines) or b"\r\n"
    assert bodies(Pop3Stub([data])) == ([data], [])


def test_a_server_that_ends_lines_with_lf_is_understood() -> None:
    def handler(talk: Talk) -> None:
        talk.raw(b"+OK\n")
        for answer in (b"+OK\n", b"+OK\n", b"+OK\n1 u1\n.\n", b"+OK\na\n..b\n.\n"):
            talk.line()
            talk.raw(answer)
        talk.line()

    with serve(handler) as (port, _):
        assert [found.data for found in all_of(source(port))] == [b"a\n.b\n"]


def test_fifty_megabytes_announced_as_a_hundred_bytes_are_not_taken_in() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def flood(talk: Talk) -> None:
        for _ in range(800):
            talk.raw(b"x" * 65_534 + b"\r\n")

    stub = Pop3Stub([b"", message(2)])

    def handler(talk: Talk) -> None:
        line = talk.line

        def watched() -> bytes:
            found = line()
            if found == b"RETR 1":
                talk.raw(b"+OK 100 octets\r\nSubject: big\r\n\r\n")
                flood(talk)
            return found

        talk.line = watched  # type: ignore[method-assign]
        stub(talk)

    with serve(handler) as (port, _):
        found = all_of(source(port), 1_000_000)
    assert [one.oversize for one in found] == [True, False]
    assert found[0].data == b"Subject: big\r\n\r\n"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (b"-ERR no such message\r\n", "will not give it"),
        (b"+OK\r\nwithout an end\r\n", "did not answer in time"),
        (b"+OK\r\nbroken stuffing\r\n.\r\nthe rest\r\n.\r\n", "more than the message"),
        (b"+OK\r\ntwo at once\r\n.\r\n+OK\r\nx\r\n.\r\n", "more than the message"),
        (b"garbage\r\n", "garbage"),
        (b"x" * 20_000, "endless line"),
        (None, "broke"),
    ],
)  # fmt: skip
def test_one_bad_message_does_not_stop_the_others_and_is_not_deleted(answer: bytes | None, named: str) -> None:
    stub = Pop3Stub([message(n) for n in range(1, 5)], answers={b"RETR 3": answer})
    with serve(stub) as (port, _):
        one = source(port)
        found = fetched(one)
        assert [seen.source_id for seen in found] == ["uid1", "uid2", "uid4"]
        assert len(one.faults) == 1
        assert named in str(one.faults[0])
        assert one.confirm(["uid1", "uid2", "uid4"]) == ["uid1", "uid2", "uid4"]
        one.close()
    assert stub.deleted == [1, 2, 4]


def test_three_broken_messages_in_a_row_are_the_servers_fault() -> None:
    with (
        serve(Pop3Stub([message(n) for n in range(9)], answers={b"RETR": None})) as (port, _),
        pytest.raises(SourceError),
    ):
        fetched(source(port))


@pytest.mark.parametrize(
    "uidl",
    [
        b"-ERR unknown command\r\n", b"+OK\r\n1 same\r\n2 same\r\n3 same\r\n.\r\n", b"+OK\r\n1 \r\n2 \r\n3\r\n.\r\n",
        b"+OK\r\n1 " + b"a" * 71 + b"\r\n2 " + b"a" * 72 + b"\r\n3 \xff\r\n.\r\n",
        b"+OK\r\n1 same\r\n2 own\r\n3 same\r\n0 x\r\n-1 y\r\nx z\r\n99999999999999 w\r\n.\r\n",
    ],
    ids=["missing", "all the same", "empty", "long and odd", "nonsense"],
)  # fmt: skip
def test_whatever_uidl_says_each_message_has_an_id_of_its_own(uidl: bytes) -> None:
    stub = Pop3Stub([message(1), message(1), message(3)], answers={b"UIDL": uidl})
    with serve(stub) as (port, _):
        one = source(port)
        found = fetched(one)
        ids = [seen.source_id for seen in found]
        assert [seen.data for seen in found] == [message(1), message(1), message(3)]
        assert len(set(ids)) == 3
        assert all(re.fullmatch(r"[\x21-\x7e]{1,90}", one_id) for one_id in ids)
        assert one.confirm([ids[1]]) == [ids[1]]
        one.close()
        again = source(port)
        assert [seen.source_id for seen in fetched(again)] == ids
        again.close()
    assert stub.deleted == [2]


def test_a_server_that_has_mail_and_names_none_of_it_is_read_by_numbers() -> None:
    answers: dict[bytes, bytes | None] = {b"UIDL": b"+OK\r\n.\r\n", b"STAT": b"+OK 2 200\r\n"}
    with serve(Pop3Stub([message(1), message(2)], answers=answers)) as (port, _):
        one = source(port)
        found = fetched(one)
        assert [seen.data for seen in found] == [message(1), message(2)]
        ids = [seen.source_id for seen in found]
        assert one.confirm(ids) == ids
        one.close()


def test_a_message_that_is_announced_and_comes_empty_is_left_there() -> None:
    stub = Pop3Stub([message(1), message(2)], answers={b"RETR 1": b"+OK 120 octets\r\n.\r\n"})
    with serve(stub) as (port, _):
        one = source(port)
        assert [seen.source_id for seen in fetched(one)] == ["uid2"]
        assert "uid1: the server gave no text" in str(one.faults[0])
        one.close()


@pytest.mark.parametrize("last", [None, b"-ERR some were not removed\r\n", b"garbage\r\n"])
def test_without_the_ok_to_quit_nothing_counts_as_deleted(last: bytes | None) -> None:
    stub = Pop3Stub([message(1)], answers={b"QUIT": last})
    with serve(stub) as (port, _):
        one = source(port)
        fetched(one)
        with pytest.raises(SourceError, match="deleting"):
            one.confirm(["uid1"])
        one.close()
        assert [found.source_id for found in fetched(one)] == ["uid1"]
        one.close()


def test_ids_that_change_with_each_session_delete_nothing_wrong() -> None:
    stub = Pop3Stub([message(1), message(2)])
    with serve(stub) as (port, _):
        one = source(port)
        fetched(one)
        one.close()
        stub.uids = [b"other1", b"other2"]
        assert one.confirm(["uid1", "uid2"]) == []
        assert len(one.faults) == 2
    assert stub.deleted == []


def test_a_message_confirmed_in_a_new_session_is_found_by_its_id_not_by_its_number() -> None:
    stub = Pop3Stub([message(1), message(2)])
    with serve(stub) as (port, _):
        one = source(port)
        fetched(one)
        one.close()
        stub.uids = [b"new", b"uid1"]
        assert one.confirm(["uid1"]) == ["uid1"]
    assert stub.deleted == [2]


def test_a_large_message_over_a_slow_line_gets_through() -> None:
    large = message(1, "x" * 60_000)

    def slowly(talk: Talk) -> None:
        stub = Pop3Stub([large])
        whole = talk.raw

        def in_pieces(data: bytes) -> None:
            for start in range(0, len(data), 8000):
                whole(data[start : start + 8000])
                time.sleep(0.1 if len(data) > 8000 else 0)

        talk.raw = in_pieces  # type: ignore[method-assign]  # this connection's own pace
        talk.send = lambda *lines: in_pieces(b"".join(line + b"\r\n" for line in lines))  # type: ignore[method-assign]
        stub(talk)

    with serve(slowly) as (port, _):
        one = Pop3Source(Endpoint("127.0.0.1", port, "plain"), Login("crm", Secret("x")), CONTEXT, Timeouts(1, 1, 0.4))
        assert [found.data for found in one.fetch(NOTHING.__contains__, 100_000)] == [large]
        one.close()


def test_a_server_that_drips_is_left_when_the_session_is_over() -> None:
    def drip(talk: Talk) -> None:
        talk.raw(b"+OK")
        while True:
            talk.raw(b" ")
            time.sleep(0.05)

    with serve(drip) as (port, _):
        one = Pop3Source(Endpoint("127.0.0.1", port, "plain"), Login("crm", Secret("x")), CONTEXT, Timeouts(1, 1, 0.3))
        with pytest.raises(SourceError, match="in time") as caught:
            fetched(one)
    assert not caught.value.permanent


# What must never go over the line


@pytest.mark.parametrize(
    "answer", [b"-ERR unknown command\r\n", b"+OK begin\r\n+OK injected\r\n", b"garbage\r\n", b"+OK begin\r\nno TLS at all\r\n", None]
)  # fmt: skip
def test_stls_refused_or_tampered_with_ends_the_session_without_a_credential(answer: bytes | None) -> None:
    with serve(Pop3Stub([message(1)], answers={b"STLS": answer})) as (port, received):
        with pytest.raises(SourceError):
            fetched(source(port, "starttls"))
        assert bytes(received).startswith(b"STLS\r\n")
        assert not re.search(rb"USER|PASS|AUTH|crm|DELE", bytes(received))


def test_text_injected_behind_the_greeting_ends_the_session() -> None:
    with serve(Pop3Stub([], greeting=b"+OK\r\n+OK injected\r\n")) as (port, received):
        with pytest.raises(SourceError, match="out of turn"):
            fetched(source(port))
        assert CANARY.encode() not in received


@pytest.mark.parametrize("name", ["crm\r\nDELE 1", "crm\nDELE 1", "crm\0"])
def test_a_name_with_a_line_end_is_no_command(name: str) -> None:
    with serve(Pop3Stub([message(1)])) as (port, received):
        with pytest.raises(SourceError):
            fetched(source(port, name=name))
        assert bytes(received) == b""


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        (f"-ERR [AUTH] wrong: PASS {CANARY}", True), ("-ERR Logon failure", True), ("-ERR [IN-USE] locked", False),
        ("-ERR Unable to lock maildrop", False), ("-ERR [AUTH] account locked", True),
        ("-ERR [SYS/TEMP] later", False), (f"what {CANARY}?", False),
    ],
)  # fmt: skip
def test_a_failed_login_says_what_to_do_and_never_the_password(
    answer: str, permanent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stub = Pop3Stub([], answers={b"PASS": answer.encode() + b"\r\n"})
    with caplog.at_level(logging.DEBUG), serve(stub) as (port, _), pytest.raises(SourceError) as caught:
        fetched(source(port))
    assert caught.value.permanent == permanent
    assert CANARY not in caplog.text + str(caught.value) + repr(caught.value)
    assert "127.0.0.1" in str(caught.value)


# XOAUTH2


def xoauth2(*answers: bytes, token: FixedToken | None = None) -> tuple[list[bytes], Exception | None]:
    """Lines that the server got, and what came of it."""
    lines: list[bytes] = []

    def handler(talk: Talk) -> None:
        talk.raw(b"+OK\r\n")
        for answer in answers:
            lines.append(talk.line())
            talk.raw(answer)
        talk.line()

    with serve(handler) as (port, _):
        try:
            all_of(source(port, token=token or FixedToken(CANARY)))
        except SourceError as error:
            return lines, error
    return lines, None


def test_xoauth2_is_sent_in_two_lines() -> None:
    lines, error = xoauth2(b"+ \r\n", b"+OK\r\n", b"+OK\r\n.\r\n", b"+OK 0 0\r\n")
    assert error is None
    assert lines[0] == b"AUTH XOAUTH2"
    assert base64.b64decode(lines[1]) == f"user=crm\1auth=Bearer {CANARY}\1\1".encode()


def test_a_refused_token_is_sent_once_and_never_shown() -> None:
    why = base64.b64encode(b'{"status":"401"}')
    token = FixedToken(CANARY)
    lines, error = xoauth2(b"+ \r\n", b"+ " + why + b"\r\n", f"-ERR [AUTH] {CANARY}\r\n".encode(), token=token)
    assert isinstance(error, SourceError)
    assert error.permanent
    assert "enterprise application" in str(error)
    assert CANARY not in str(error)
    assert lines[2] == b""
    assert sum(CANARY.encode() in base64.b64decode(line + b"==") for line in lines[1:]) == 1
    assert token.refusals == [CANARY]


def test_a_token_refused_in_one_word_as_exchange_does_is_given_back() -> None:
    token = FixedToken(CANARY)
    _lines, error = xoauth2(
        b"+ \r\n", b"-ERR Authentication failure: unknown user name or bad password.\r\n", token=token
    )
    assert isinstance(error, SourceError)
    assert token.refusals == [CANARY]


def test_a_token_that_can_not_be_had_leaves_no_session_behind() -> None:
    calls = []

    class NoToken(FixedToken):
        def __call__(self) -> str:
            calls.append(1)
            raise SourceError("no token", permanent=True)

    with serve(Pop3Stub([message(1)])) as (port, _):
        one = source(port, token=NoToken(""))
        for _ in range(2):
            with pytest.raises(SourceError, match="no token"):
                fetched(one)
    assert len(calls) == 2


def test_the_context_verifies_certificate_and_name() -> None:
    context = CONTEXT
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
