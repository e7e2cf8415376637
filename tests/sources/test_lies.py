"""Servers that lie (TRUST C10): none holds us up or fills the memory, the other messages come, nothing wrong is deleted.

Each case is a lie and what may not come because of it; everything else must come, and what is gone at the server must
have come byte for byte.
"""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from crmservice.config import Endpoint, Login, Secret
from crmservice.sources import Source, SourceError
from crmservice.sources.imap import ImapSource
from crmservice.sources.pop3 import Pop3Source
from crmservice.testing.source_contract import NOTHING, message
from crmservice.tls import Timeouts, tls_context
from tests.support.stub import ImapStub, Pop3Stub, Talk, serve, stuffed

WAITS = Timeouts(2, 0.3, 2)
LIMIT = 2_000_000
MEMORY = 150 * 1024
"""Kilobytes that a lie may cost."""
CONTEXT = tls_context()

BIG = b"Subject: big\r\n\r\n" + (b"x" * 998 + b"\r\n") * 52_000
ODD = [
    b"Subject: long lines\r\n\r\n" + b"a" * 3_000 + b"\r\n" + b"b" * 1_000_000 + b"\r\n",
    b"NUL \0 and bare\nLF and bare\rCR\r\n.\n.\r\n..\r\n",
    b".\r\n..\r\n...\r\n",
]


@dataclass
class Outcome:
    """What came of three cycles with a server: ``seconds`` by the clock, of them ``busy`` ones (the server's included)."""

    came: set[bytes] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    seconds: float = 0
    busy: float = 0
    kilobytes: int = 0


def cycles(make: Callable[[int], Source], handler: Callable[[Talk], None], count: int = 3) -> Outcome:
    """Cycles: fetch, delete what came, close."""
    outcome = Outcome()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serve(handler) as (port, _received):
        source = make(port)
        started, idle = time.monotonic(), time.process_time()
        for _ in range(count):
            try:
                cycle(source, outcome)
            except SourceError as error:
                outcome.said.append(str(error))
            finally:
                source.close()
        outcome.seconds, outcome.busy = time.monotonic() - started, time.process_time() - idle
    outcome.kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return outcome


def cycle(source: Source, outcome: Outcome) -> None:
    while True:
        ids = []
        fault = None
        try:
            for mail in source.fetch(NOTHING.__contains__, LIMIT):
                if not mail.oversize:
                    outcome.came.add(mail.data)
                    ids.append(mail.source_id)
        except SourceError as error:
            fault = error
        outcome.said += map(str, source.faults)
        source.confirm(ids)
        if fault is not None:
            raise fault
        if not ids:
            return


def check(outcome: Outcome, messages: dict[int, bytes], left: set[int], may_be_missing: set[int]) -> None:
    gone = messages.keys() - left
    assert {number for number in gone if messages[number] not in outcome.came} == set(), "deleted, and never came"
    missing = {number for number, data in messages.items() if data not in outcome.came}
    assert missing <= may_be_missing, outcome.said
    assert [said for said in outcome.said if re.search(r"Error\b|recursion|object|argument", said)] == []
    assert outcome.busy < 20
    assert outcome.seconds < 100, "by the clock of a machine that does other work too"
    assert outcome.kilobytes < MEMORY


# POP3


def pop3(port: int, waits: Timeouts = WAITS) -> Source:
    return Pop3Source(Endpoint("127.0.0.1", port, "plain"), Login("crm", Secret("xyz")), CONTEXT, waits)


def uidl(*lines: bytes) -> dict[bytes, bytes | None]:
    return {b"UIDL": b"+OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b".\r\n"}


def listed(size: bytes) -> dict[bytes, bytes | None]:
    """A server without UIDL whose LIST gives everything this size."""
    answer = b"+OK 5 messages\r\n" + b"".join(b"%d %s\r\n" % (n, size) for n in range(1, 6)) + b".\r\n"
    return {b"UIDL": b"-ERR unknown\r\n", b"LIST": answer, b"STAT": b"+OK 77 1\r\n"}


def retr3(answer: bytes | None) -> dict[bytes, bytes | None]:
    return {b"RETR 3": answer}


PIPELINING: dict[bytes, bytes | None] = {b"CAPA": b"+OK\r\nUIDL\r\nPIPELINING\r\n.\r\n"}
CUT = b"+OK 77 octets\r\nSubject: 3\r\n\r\nwithout an end\r\n"
POP3_LIES: dict[str, tuple[dict[bytes, bytes | None], set[int]]] = {
    "LIST says 0": (listed(b"0"), set()),
    "LIST says -1": (listed(b"-1"), set()),
    "LIST says 2^63": (listed(b"9223372036854775808"), set()),
    "LIST says 100": (listed(b"100"), set()),
    "LIST says nothing": (listed(b""), set()),
    "RETR announces 2^63": (retr3(b"+OK 9223372036854775808 octets\r\n" + stuffed(message(3)) + b".\r\n"), set()),
    "RETR announces -1": (retr3(b"+OK -1 octets\r\n" + stuffed(message(3)) + b".\r\n"), set()),
    "RETR without its end": (retr3(CUT), {3}),
    "RETR without its end and without a line end": (retr3(CUT.removesuffix(b"\r\n")), {3}),
    "a dot that is not stuffed": (retr3(b"+OK\r\nhalf\r\n.\r\nSubject: other half\r\n.\r\n"), {3}),
    "two answers to one RETR": (retr3(b"+OK\r\nx\r\n.\r\n+OK\r\ny\r\n.\r\n"), {3}),
    "no answer but garbage": (retr3(b"garbage\r\n"), {3}),
    "NUL for an answer": (retr3(b"\0\0\0\r\n"), {3}),
    "an endless answer": (retr3(b"x" * 100_000), {3}),
    "-ERR on one message": (retr3(b"-ERR no such message\r\n"), {3}),
    "the connection ends at one message": (retr3(None), {3}),
    "silence at one message": (retr3(b""), {3}),
    "50 MB announced as 100": (retr3(b"+OK 100 octets\r\n" + BIG + b".\r\n"), {3}),
    "UIDL is missing": ({b"UIDL": b"-ERR\r\n"}, set()),
    "UIDL is garbage": (uidl(b"0 a", b"-1 b", b"x c", b"99999999999999 d"), {1, 2, 3, 4, 5}),
    "UIDL gives all the same": (uidl(*(b"%d same" % n for n in range(1, 6))), set()),
    "UIDL gives two the same": (uidl(b"1 a", b"2 b", b"3 a", b"4 c", b"5 d"), set()),
    "UIDL gives none": (uidl(*(b"%d" % n for n in range(1, 6))), set()),
    "UIDL gives 71 characters": (uidl(*(b"%d " % n + b"u" * 70 + b"%d" % n for n in range(1, 6))), set()),
    "UIDL gives bytes": (uidl(*(b"%d \xff\xfe%d" % (n, n) for n in range(1, 6))), set()),
    "UIDL knows more messages than there are": (uidl(*(b"%d u%d" % (n, n) for n in range(1, 9))), set()),
    "UIDL knows fewer messages": (uidl(b"2 u2", b"4 u4"), {1, 3, 5}),
    "UIDL without its end": ({b"UIDL": b"+OK\r\n1 u1\r\n"}, {1, 2, 3, 4, 5}),
    "UIDL without end at all": ({b"UIDL": b"+OK\r\n" + b"1 u1\r\n" * 6_000_000}, {1, 2, 3, 4, 5}),
    "UIDL is missing, and RETR without its end": (listed(b"100") | retr3(CUT), {3}),
    "UIDL is missing, and garbage": (listed(b"100") | retr3(b"garbage\r\n"), {3}),
    "UIDL is missing, and 50 MB announced as 100": (
        listed(b"100") | retr3(b"+OK 100 octets\r\n" + BIG + b".\r\n"),
        {3},
    ),
    "three messages in a row without their end": ({b"RETR 1": CUT, b"RETR 2": CUT, b"RETR 3": CUT}, {1, 2, 3}),
    "-ERR to one DELE": ({b"DELE 3": b"-ERR locked\r\n"}, set()),
    "garbage to one DELE": ({b"DELE 3": b"what?\r\n"}, set()),
    "-ERR to QUIT": ({b"QUIT": b"-ERR some were not removed\r\n"}, set()),
    "the connection ends at QUIT": ({b"QUIT": None}, set()),
    "NOOP is unknown": ({b"NOOP": b"-ERR unknown\r\n"}, set()),
    "CAPA is unknown": ({b"CAPA": b"-ERR unknown\r\n"}, set()),
    "CAPA without its list": ({b"CAPA": b"+OK\r\n"}, set()),
    "CAPA ends the connection": ({b"CAPA": None}, set()),
    "CAPA is garbage": ({b"CAPA": b"\xff\r\n"}, set()),
    "PIPELINING, and RETR without its end": (PIPELINING | retr3(CUT), {3}),
    "PIPELINING, and a dot that is not stuffed": (
        PIPELINING | retr3(b"+OK\r\nhalf\r\n.\r\nSubject: other half\r\n.\r\n"),
        {3},
    ),
    "PIPELINING, and two answers to one RETR": (PIPELINING | retr3(b"+OK\r\nx\r\n.\r\n+OK\r\ny\r\n.\r\n"), {3}),
    "PIPELINING, and garbage": (PIPELINING | retr3(b"garbage\r\n"), {3}),
    "PIPELINING, and the connection ends": (PIPELINING | retr3(None), {3}),
    "PIPELINING, and silence": (PIPELINING | retr3(b""), {3}),
    "PIPELINING, and 50 MB announced as 100": (PIPELINING | retr3(b"+OK 100 octets\r\n" + BIG + b".\r\n"), {3}),
    "PIPELINING, and garbage to one DELE": (PIPELINING | {b"DELE 3": b"what?\r\n"}, set()),
}


@pytest.mark.parametrize("lie", POP3_LIES)
def test_a_pop3_server_that_lies_costs_no_other_message(lie: str) -> None:
    answers, may_be_missing = POP3_LIES[lie]
    messages = {number: message(number) for number in range(1, 6)}
    stub = Pop3Stub(list(messages.values()), answers=dict(answers))
    outcome = cycles(pop3, stub)
    check(outcome, messages, messages.keys() - set(stub.deleted), may_be_missing)


@pytest.mark.parametrize("capable", [False, True], ids=["one by one", "PIPELINING"])
def test_odd_bytes_come_and_go_as_they_are(capable: bool) -> None:
    stub = Pop3Stub(list(ODD), answers=dict(PIPELINING) if capable else {})
    outcome = cycles(pop3, stub)
    assert outcome.came == set(ODD)
    assert outcome.said == []
    assert set(stub.deleted) == {1, 2, 3}


def test_ids_that_change_with_each_session_cost_nothing() -> None:
    messages = {number: message(number) for number in range(1, 6)}
    stub = Pop3Stub(list(messages.values()))
    sessions = 0

    def handler(talk: Talk) -> None:
        nonlocal sessions
        sessions += 1
        stub.uids = [b"s%d-%d" % (sessions, number) for number in messages]
        stub(talk)

    check(cycles(pop3, handler), messages, messages.keys() - set(stub.deleted), set())


@pytest.mark.parametrize("where", ["greeting", "QUIT"])
def test_more_than_was_asked_for_is_not_listened_to(where: str) -> None:
    messages = {number: message(number) for number in range(1, 6)}
    more = b"+OK\r\n+OK more\r\n* rubbish\r\n"
    greeting = more if where == "greeting" else b"+OK\r\n"
    stub = Pop3Stub(list(messages.values()), greeting=greeting, answers={} if where == "greeting" else {b"QUIT": more})
    outcome = cycles(pop3, stub)
    check(outcome, messages, set(messages), set(messages) if where == "greeting" else set())


def test_a_server_that_promises_pipelining_and_reads_one_command_at_a_time_is_still_emptied() -> None:
    messages = {number: message(number) for number in range(1, 6)}
    stub = Pop3Stub(list(messages.values()), answers=dict(PIPELINING))

    def handler(talk: Talk) -> None:
        line = talk.line

        def one_of_a_packet() -> bytes:
            found = line()
            talk.forget()
            return found

        talk.line = one_of_a_packet  # type: ignore[method-assign]
        stub(talk)

    outcome = cycles(pop3, handler)
    check(outcome, messages, messages.keys() - set(stub.deleted), set())
    assert set(stub.deleted) == set(messages)


# IMAP


def imap(port: int, waits: Timeouts = WAITS) -> Source:
    return ImapSource(Endpoint("127.0.0.1", port, "plain"), Login("crm", Secret("xyz")), CONTEXT, waits)


def body(uid: int, text: bytes) -> bytes:
    """An answer to FETCH with a body of its own."""
    return b"* %d FETCH (UID %d BODY[]<0> %s)\r\n" % (uid, uid, text)


def select(*lines: bytes) -> dict[bytes, bytes]:
    return {b"SELECT": b"".join(b"* " + line + b"\r\n" for line in lines) + b"TAG OK done\r\n"}


def search(numbers: bytes) -> dict[bytes, bytes]:
    return {b"UID SEARCH": b"* SEARCH " + numbers + b"\r\nTAG OK done\r\n"}


LATE = b'"Thu, 1 Jan 99999999999999999999 00:00:00 +9999"'
VALID = b"OK [UIDVALIDITY 7] x"
ALL = {1, 2, 3, 4, 5}
IMAP_LIES: dict[str, tuple[dict[str, object], set[int]]] = {
    "a literal of 3 GB": ({"bodies": {3: b"* 3 FETCH (UID 3 BODY[]<0> {3000000000}\r\n"}}, {3}),
    "a literal of 2^70 bytes": ({"bodies": {3: b"* 3 FETCH (UID 3 BODY[]<0> {1180591620717411303424}\r\n"}}, {3}),
    "a literal of -1 bytes": ({"bodies": {3: b"* 3 FETCH (UID 3 BODY[]<0> {-1}\r\n"}}, {3}),
    "a literal longer than its bytes": ({"bodies": {3: body(3, b"{500}\r\nshort")}}, {3}),
    "a literal shorter than its bytes": ({"bodies": {3: body(3, b"{5}\r\nmuch longer than that")}}, {3}),
    "the size of 50 MB is 100": ({"sizes": {3: 100}, "bodies": {3: body(3, b"{%d}\r\n" % len(BIG) + BIG)}}, {3}),
    "a size of 0": ({"sizes": dict.fromkeys(ALL, 0)}, set()),
    "a size of -1": ({"sizes": dict.fromkeys(ALL, -1)}, set()),
    "a size of 2^63": ({"sizes": dict.fromkeys(ALL, 2**63)}, set()),
    "a text of NIL": ({"bodies": {3: body(3, b"NIL")}}, {3}),
    "no text at all": ({"bodies": {3: b"* 3 FETCH (UID 3)\r\n"}}, {3}),
    "the text of a message that nobody asked for": ({"bodies": {3: body(99, b"{2}\r\nhi")}}, {3}),
    "brackets that do not close": ({"bodies": {3: b"* 3 FETCH (UID 3 BODY[]<0> ((((\r\n"}}, {3}),
    "a hundred thousand brackets that do not close": (
        {"bodies": {3: b"* 3 FETCH (UID 3 X " + b"(" * 100_000 + b"\r\n"}},
        {3},
    ),
    "fifty thousand brackets that close": (
        {"bodies": {3: b"* 3 FETCH (UID 3 X " + b"(" * 50_000 + b")" * 50_000 + b")\r\n"}},
        {3},
    ),
    "a hundred thousand words": ({"bodies": {3: b"* 3 FETCH (UID 3 " + b"A " * 100_000 + b"1)\r\n"}}, {3}),
    "a quote of half a megabyte": ({"bodies": {3: b'* 3 FETCH (UID 3 X "' + b'\\"' * 250_000 + b'")\r\n'}}, {3}),
    "a hundred thousand empty texts": (
        {"bodies": {3: b"* 3 FETCH (UID 3 " + b"A {0}\r\n " * 100_000 + b"B 1)\r\n"}},
        {3},
    ),
    "two texts of one message": ({"bodies": {3: body(3, b"{2}\r\nhi") + body(3, b"{3}\r\nhoo")}}, {3}),
    "a date beyond all time": ({"bodies": {3: b"* 3 FETCH (UID 3 ENVELOPE (" + LATE + b" X))\r\n"}}, {3}),
    "an address of four thousand digits": ({"bodies": {3: b"* 3 FETCH (UID " + b"9" * 4_000 + b" X 1)\r\n"}}, {3}),
    "three messages in a row with no answer": ({"bodies": dict.fromkeys((1, 2, 3), b"* BYE tired\r\n")}, {1, 2, 3}),
    "NUL in a line": ({"bodies": {3: b"* 3 FETCH (UID 3 \0\0)\r\n"}}, {3}),
    "a line of 2 MB": ({"bodies": {3: b"* 3 FETCH (UID 3 " + b"x" * 2_000_000 + b")\r\n"}}, {3}),
    "a hundred thousand lines": ({"bodies": {3: b"* 1 RECENT\r\n" * 100_000}}, {3}),
    "BYE in the midst": ({"bodies": {3: b"* BYE tired\r\n"}}, {3}),
    "EXISTS 2^63": ({"answers": select(b"9223372036854775808 EXISTS", VALID)}, set()),
    "EXISTS 0 in a full folder": ({"answers": select(b"0 EXISTS", VALID)}, ALL),
    "EXISTS -1": ({"answers": select(b"-1 EXISTS", VALID)}, ALL),
    "no EXISTS": ({"answers": select(VALID)}, ALL),
    "no UIDVALIDITY": ({"answers": select(b"5 EXISTS")}, ALL),
    "UIDVALIDITY 0": ({"validity": 0}, ALL),
    "UIDs that are none": ({"answers": search(b"0 -1 x 99999999999999999999 3 3 1")}, ALL),
    "UIDs without end": ({"answers": search(b"1 2 " * 500_000)}, ALL),
    "UIDs of messages that are not there": ({"answers": search(b"1 2 3 4 5 6 7 8 9")}, set()),
    "no answer to SEARCH": ({"answers": {b"UID SEARCH": b"TAG OK done\r\n"}}, ALL),
    "silence to SEARCH": ({"answers": {b"UID SEARCH": b""}}, ALL),
    "the tag of another": ({"answers": {b"UID SEARCH": b"* SEARCH 1\r\nX99 OK done\r\n"}}, ALL),
    "NO to STORE": ({"answers": {b"UID STORE": b"TAG NO read-only\r\n"}}, set()),
    "BAD to UID EXPUNGE": ({"answers": {b"UID EXPUNGE": b"TAG BAD unknown\r\n"}}, set()),
    "OK to UID EXPUNGE that does nothing": ({"answers": {b"UID EXPUNGE": b"TAG OK done\r\n"}}, set()),
    "an answer where a question is due": ({"answers": {b"AUTHENTICATE": b"TAG OK come in\r\n"}}, ALL),
    "a literal in the greeting": ({"greeting": b"* OK {3000000000}\r\n"}, ALL),
    "a greeting without end": ({"greeting": b"* OK " + b"x" * 3_000_000}, ALL),
    "silence for a greeting": ({"greeting": b""}, ALL),
}


@pytest.mark.parametrize("lie", IMAP_LIES)
def test_an_imap_server_that_lies_costs_no_other_message(lie: str) -> None:
    changes, may_be_missing = IMAP_LIES[lie]
    messages = {number: message(number) for number in range(1, 6)}
    stub = ImapStub(dict(messages), **changes)  # type: ignore[arg-type]  # fields of the stub by their names
    check(cycles(imap, stub), messages, set(stub.messages), may_be_missing)


# A byte in a while: each comes in time, and there is no end


def drip(talk: Talk) -> None:
    while True:
        talk.raw(b"x")
        time.sleep(0.05)


def dripping(stub: Pop3Stub | ImapStub, where: bytes) -> Callable[[Talk], None]:
    """The stub, but behind half of its answer to this command comes nothing but a byte in a while."""

    def handler(talk: Talk) -> None:
        raw, line, last = talk.raw, talk.line, [b"GREETING"]

        def told() -> bytes:
            last[0] = line()
            return last[0]

        def begun(data: bytes) -> None:
            if where in last[0].upper():
                talk.raw = raw  # type: ignore[method-assign]
                raw(data[: max(1, len(data) // 2)].removesuffix(b"\n"))
                drip(talk)
            raw(data)

        talk.line, talk.raw = told, begun  # type: ignore[method-assign]
        talk.send = lambda *lines: talk.raw(b"".join(line + b"\r\n" for line in lines))  # type: ignore[method-assign]
        stub(talk)

    return handler


SLOW = Timeouts(2, 0.3, 0.4)
"""0.4 s in all while less comes than a slow line carries."""


@pytest.mark.parametrize(
    "where", [b"GREETING", b"PASS", b"UIDL", b"RETR 3", b"NOOP", b"DELE", b"QUIT"], ids=bytes.decode
)
def test_a_pop3_server_that_drips_holds_nobody_and_costs_no_other_message(where: bytes) -> None:
    messages = {number: message(number) for number in range(1, 6)}
    stub = Pop3Stub(list(messages.values()))
    outcome = cycles(lambda port: pop3(port, SLOW), dripping(stub, where), count=1)
    others = {b"RETR 3": {3}, b"NOOP": set(), b"DELE": set(), b"QUIT": set()}
    check(outcome, messages, messages.keys() - set(stub.deleted), others.get(where, ALL))
    assert any("in time" in said for said in outcome.said) or where == b"NOOP"  # each was whole before it


@pytest.mark.parametrize(
    "where",
    [b"GREETING", b"CAPABILITY", b"SELECT", b"UID SEARCH", b"BODY", b"UID STORE", b"UID EXPUNGE"],
    ids=bytes.decode,
)
def test_an_imap_server_that_drips_holds_nobody(where: bytes) -> None:
    messages = {number: message(number) for number in range(1, 6)}
    stub = ImapStub(dict(messages))
    outcome = cycles(lambda port: imap(port, SLOW), dripping(stub, where), count=1)
    check(outcome, messages, set(stub.messages), set() if b"STORE" in where or b"EXPUNGE" in where else ALL)
    assert any("in time" in said for said in outcome.said)


def test_odd_bytes_come_and_go_over_imap_as_they_are() -> None:
    stub = ImapStub(dict(enumerate(ODD, 1)))
    outcome = cycles(imap, stub)
    assert outcome.came == set(ODD)
    assert outcome.said == []
    assert stub.messages == {}


def test_uidvalidity_that_changes_with_each_select_deletes_nothing() -> None:
    messages = {number: message(number) for number in range(1, 6)}
    stub = ImapStub(dict(messages))

    def handler(talk: Talk) -> None:
        line = talk.line

        def counted() -> bytes:
            stub.validity += 1
            return line()

        talk.line = counted  # type: ignore[method-assign]
        stub(talk)

    outcome = cycles(imap, handler)
    check(outcome, messages, set(stub.messages), set())
    assert set(stub.messages) == set(messages)
