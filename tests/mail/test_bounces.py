"""Bounces: what each form says, what is no bounce, and how much of a public collection is read right."""

from __future__ import annotations

import email
import json
import logging
import timeit
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from flufl.bounce import all_failures
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail import bounces, delivery_status, dsn
from crmservice.mail.message import Bounce
from crmservice.mail.parsing import parse
from tests.mail.clock import allowed, assert_linear, cpu_seconds

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures" / "bounces"
CORPUS = HERE.parents[2] / "shared" / "corpus" / "bounces"
JAN, EVA, OTA, IDA = (f"{name}@zakaznik.example" for name in ("jan", "eva", "ota", "ida"))


def read(name: str) -> Bounce | None:
    return bounces.find(parse((FIXTURES / f"{name}.eml").read_bytes()))


def bounce(raw: bytes) -> Bounce | None:
    return bounces.find(parse(raw))


# Forms -----------------------------------------------------------------------------------------------------------

FAILED: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [
    ("report-unknown-user", "rfc3464", (JAN,), (JAN,)),
    ("report-several", "rfc3464", (JAN, EVA), (JAN,)),
    ("report-no-status", "rfc3464", (JAN,), ()),
    ("report-folded", "rfc3464", (JAN,), ()),
    ("report-utf8", "rfc3464", ("jiří@zakaznik.example",), ("jiří@zakaznik.example",)),
    ("report-xtext", "rfc3464", ("jan+faktury@zakaznik.example",), ("jan+faktury@zakaznik.example",)),
    ("report-spaced-fields", "rfc3464", (JAN,), (JAN,)),
    ("report-quoted-local", "rfc3464", ('"jan novy"@zakaznik.example',), ('"jan novy"@zakaznik.example',)),
    ("report-wins-over-text", "rfc3464", (JAN,), ()),
    ("report-returns-a-bounce", "rfc3464", (JAN,), (JAN,)),
    ("report-wrapped", "rfc3464", (JAN,), (JAN,)),
    ("report-torn-boundary", "rfc3464", (JAN,), (JAN,)),
    ("report-in-plain-text", "rfc3464", (JAN,), (JAN,)),
    ("report-base64", "rfc3464", (JAN,), (JAN,)),
    ("manual-undeliverable", "manual", (JAN, EVA, OTA), (JAN, EVA, OTA)),
    ("manual-undelivered", "manual", (JAN, EVA, IDA), (JAN, IDA)),
    ("report-no-address", "provider", (JAN,), ()),
    ("exim", "provider", (JAN, EVA), (JAN,)),
    ("exim-pipe", "provider", (JAN,), ()),
    ("qmail", "provider", (JAN,), (JAN,)),
    ("qmail-other-words", "provider", (JAN,), ()),
    ("sendmail-old", "provider", (JAN, "eva@jinde.example"), ()),
    ("sendmail-list", "provider", (JAN,), ()),
    ("exchange", "provider", (JAN,), ()),
    ("gmail", "provider", (JAN,), (JAN,)),
    ("group", "provider", ("skupina@zakaznik.example",), ()),
    ("yahoo", "provider", (JAN,), ()),
    ("opensmtpd", "provider", (JAN, EVA), (JAN,)),
    ("domino", "provider", (JAN,), ()),
    ("imail", "provider", (JAN,), ()),
    ("postfix-old", "provider", (JAN,), (JAN,)),
    ("boundary-of-dashes", "provider", (JAN,), (JAN,)),
    ("subject-of-a-server", "provider", (JAN,), ()),
    ("courier", "provider", (JAN,), (JAN,)),
    ("gateway-inline", "provider", (JAN,), ()),
    ("rcpt-to", "provider", (JAN,), ()),
    ("zoho", "provider", (JAN,), (JAN,)),
    ("iplanet", "provider", (JAN,), (JAN,)),
    ("czech", "provider", (JAN,), ()),
    ("sns", "provider", (JAN,), (JAN,)),
    ("library-only", "provider", (JAN,), ()),
]


@pytest.mark.parametrize(("name", "source", "failed", "dead"), FAILED, ids=[row[0] for row in FAILED])
def test_a_form_names_what_failed_and_what_is_dead(
    name: str, source: str, failed: tuple[str, ...], dead: tuple[str, ...]
) -> None:
    found = read(name)
    assert found is not None
    assert (found.failed, found.dead, found.permanent, found.source) == (failed, dead, True, source)


@pytest.mark.parametrize("name", ["report-given-up", "report-delayed", "exim-warning", "gmail-delay", "sns-transient"])
def test_a_delay_and_a_temporary_reason_fail_nobody(name: str) -> None:
    found = read(name)
    assert found is not None
    assert (found.failed, found.dead, found.permanent) == ((), (), False)


@pytest.mark.parametrize("name", ["report-delivered", "feedback", "vacation", "daemon-without-bounce"])
def test_a_mail_that_returns_nothing_is_no_bounce(name: str) -> None:
    assert read(name) is None


def test_every_fixture_is_used() -> None:
    rest = {
        "report-given-up", "report-delayed", "exim-warning", "gmail-delay", "sns-transient",
        "report-delivered", "feedback", "vacation", "daemon-without-bounce",
    }  # fmt: skip
    assert {path.stem for path in FIXTURES.glob("*.eml")} == rest | {row[0] for row in FAILED}


@pytest.mark.parametrize("name", ["report-unknown-user", "report-torn-boundary", "exim", "qmail", "yahoo", "imail"])
def test_the_returned_mails_message_id_is_quoted_as_the_reader_gives_it(name: str) -> None:
    found = read(name)
    sent = parse(b"From: novak@firma.cz\r\nMessage-ID: <odeslano.1@firma.cz>\r\n\r\n")
    assert found is not None
    assert found.quoted_ids == (sent.message_id,)


def test_a_report_that_says_nothing_is_a_bounce_without_address() -> None:
    found = bounce(
        b"Return-Path: <>\nContent-Type: multipart/report; boundary=x\n\n"
        b"--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n--x--\n"
    )
    assert found == Bounce((), (), permanent=False, source="rfc3464")


def test_ordinary_mail_that_quotes_a_bounce_is_none() -> None:
    text = (FIXTURES / "exim.eml").read_bytes().partition(b"\n\n")[2]
    assert bounce(b"From: Jan <jan@zakaznik.example>\nTo: novak@firma.cz\nSubject: Re: Nabidka\n\n" + text) is None


@pytest.mark.parametrize("subject", ["Zboží nedoručeno", "Your parcel was not delivered", "RE: failure notice"])
def test_a_persons_words_about_delivery_are_no_bounce(subject: str) -> None:
    text = "Zásilku nebylo možné doručit na adresu:\njan@zakaznik.example\nunknown user: eva@zakaznik.example\n"
    assert bounce(f"From: Jan <jan@zakaznik.example>\nSubject: {subject}\n\n{text}".encode()) is None


def test_the_manuals_text_that_names_nobody_is_a_bounce_all_the_same() -> None:
    text = "your message could not be delivered to one or more recipients."
    found = bounce(f"From: a@provider.example\nSubject: Undelivered Mail\n\n{text}\n".encode())
    assert found == Bounce((), (), permanent=False, source="manual")


@pytest.mark.parametrize("subject", ["undeliverable mail", "Fwd: UNDELIVERABLE   MAIL"])
def test_the_manuals_subject_and_sentence_suffice_whoever_sends_them(subject: str) -> None:
    body = "The following mail failed to be\ndelivered...\n\nTo: jan@zakaznik.example\n"
    found = bounce(f"From: posta@provider.example\nSubject: {subject}\n\n{body}".encode())
    assert found is not None
    assert (found.source, found.dead) == ("manual", (JAN,))


def test_the_manuals_text_without_its_sentence_is_not_the_manuals() -> None:
    assert bounce(b"From: posta@provider.example\nSubject: Undelivered Mail\n\n<jan@zakaznik.example>: ahoj\n") != (
        Bounce((JAN,), (JAN,), permanent=True, source="manual")
    )


def test_to_lines_above_the_manuals_sentence_name_nobody() -> None:
    found = bounce(
        b"From: a@provider.example\nSubject: Undeliverable Mail\n\nTo: novak@firma.cz\n"
        b"The following mail failed to be delivered...\nTo: jan@zakaznik.example\n"
    )
    assert found is not None
    assert found.failed == (JAN,)


def test_at_most_a_thousand_addresses_are_kept() -> None:
    lines = "".join(f"a{n}@zakaznik.example\n" for n in range(1500))
    found = bounce(f"From: mailer-daemon@x.example\n\nThe following addresses failed:\n\n{lines}".encode())
    assert found is not None
    assert len(found.failed) == dsn.MAX_RECIPIENTS


@pytest.mark.parametrize("written", [r"\ud800", r"\udfff", r"\u0000", r"\u007f"])
def test_an_address_in_json_that_no_database_takes_is_no_address(written: str) -> None:
    notification = f"""{{"bounce":{{"bounceType":"Permanent","bouncedRecipients":[
        {{"emailAddress":"{written}x@zak.cz","status":"5.1.1"}},
        {{"emailAddress":"\\"{written}\\"@zak.cz","status":"5.1.1"}},
        {{"emailAddress":"{JAN}","status":"5.1.1"}}]}}}}"""
    found = bounce(b"From: n@sns.amazonaws.com\nReturn-Path: <>\n\n" + notification.encode())
    assert found == Bounce((JAN,), (JAN,), permanent=True, source="provider")


def test_a_mail_without_from_does_not_trouble_the_library() -> None:
    assert bounce(b"Return-Path: <>\nSubject: failure notice\n\nnothing to see\n") is None


# Statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rank", "code"),
    [
        ("550 5.1.1 unknown user", "5", "5.1.1"),
        ("host said: 552 5.2.2 mailbox full", "5", "5.2.2"),
        ("Sorry, no mailbox here. (#5.1.1)", "5", "5.1.1"),
        ("550-5.7.26 not accepted", "5", "5.7.26"),
        ("550: 5.1.1 user unknown", "5", "5.1.1"),
        ("421 4.7.0 later", "4", "4.7.0"),
        ("said: 550 User unknown", "5", ""),
        ("ERROR_CODE :421, ERROR_CODE :, Host not reachable", "4", ""),
        ("connect to 5.1.1.4: refused", "", ""),
        ("version 4.8.5.36 says nothing", "", ""),
        ("2.1.5 ok", "", ""),
        ("Room 550 is upstairs", "", ""),
    ],
)
def test_a_status_is_read_from_words(text: str, rank: str, code: str) -> None:
    assert delivery_status.of_text(text) == delivery_status.Status(rank, code)


@pytest.mark.parametrize("code", ["5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.1"])
def test_a_dead_status_marks_the_address(code: str) -> None:
    assert [r.dead for r in dsn.recipients([f"Final-Recipient: a@b.cz\nAction: failed\nStatus: {code}\n"])] == [True]


@pytest.mark.parametrize("code", ["5.0.0", "5.1.4", "5.1.7", "5.1.8", "5.1.351", "5.2.2", "5.2.3", "5.3.4", "5.7.1"])
def test_a_full_box_a_size_and_a_policy_mark_nothing(code: str) -> None:
    words = "Diagnostic-Code: smtp; 550 5.1.1 unknown user\n"
    found = dsn.recipients([f"Final-Recipient: a@b.cz\nAction: failed\nStatus: {code}\n{words}"])
    assert [(r.outcome, r.dead) for r in found] == [("failed", False)]


def test_words_without_a_status_mark_an_address_in_the_manuals_texts_alone() -> None:
    refused = "<jan@zakaznik.example>: host mx said: 550 User unknown"
    report = dsn.recipients(["Final-Recipient: a@b.cz\nAction: failed\nDiagnostic-Code: smtp; 550 User unknown\n"])
    manual = bounce(
        b"From: a@provider.example\nSubject: Undelivered Mail\n\n"
        b"message could not be delivered to one or more recipients\n\n" + refused.encode()
    )
    provider = bounce(f"From: mailer-daemon@x.example\n\nThe following addresses failed:\n\n{refused}\n".encode())
    assert [(r.outcome, r.dead) for r in report] == [("failed", False)]
    assert manual is not None
    assert manual.dead == (JAN,)
    assert provider is not None
    assert (provider.failed, provider.dead) == ((JAN,), ())


@pytest.mark.parametrize(
    ("words", "dead"),
    [
        ("550 User unknown", True),
        ("550 unknown", True),
        ("550 No mailbox", True),
        ("550 mailbox unavailable", True),
        ("550 neznamy uzivatel", True),
        ("550 Neznámý uživatel", True),
        ("550 mailbox unavailable, message rejected as spam", False),
        ("550 mailbox full", False),
        ("550 denied by policy", False),
    ],
)
def test_words_beside_a_reply_code_say_whether_an_address_is_dead(words: str, dead: bool) -> None:
    assert delivery_status.says_unknown(words) is dead


@pytest.mark.parametrize("action", ["delayed", "expired", "unknown"])
def test_another_action_than_failed_is_not_for_good(action: str) -> None:
    found = dsn.recipients([f"Final-Recipient: a@b.cz\nAction: {action}\nStatus: 5.1.1\n"])
    assert [r.outcome for r in found] == ["temporary"]


@given(
    status=st.tuples(st.sampled_from("245"), st.integers(0, 999), st.integers(0, 999)),
    comment=st.sampled_from(["", " (permanent failure)", " bounce"]),
)
def test_a_status_field_reads_back(status: tuple[str, int, int], comment: str) -> None:
    text = ".".join(map(str, status))
    assert delivery_status.of_field(f" {text}{comment}") == delivery_status.Status(status[0], text)


NAMES = st.from_regex(r"[a-z0-9][a-z0-9.+_=-]{0,20}", fullmatch=True)
KINDS = st.sampled_from(["rfc822; {}", "RFC822;{}", "rfc822; <{}>", "<{}>", "{}", "utf-8; {}", "rfc/822;{}"])


@given(local=NAMES, kind=KINDS)
def test_a_recipient_field_reads_back_in_lower_case(local: str, kind: str) -> None:
    address = f"{local}@zakaznik.example"
    found = dsn.recipients([f"Final-Recipient: {kind.format(address.upper())}\nAction: failed\nStatus: 5.1.1\n"])
    assert [r.address for r in found] == [address]


# Hostile ---------------------------------------------------------------------------------------------------------


PIECES = st.sampled_from(
    [b"--x\n", b"--x--\n", b"\n", b"Content-Type: multipart/report; boundary=x\n", b"Content-Type: message/rfc822\n",
     b"Content-Type: message/delivery-status\n", b"Final-Recipient: rfc822; a@b.cz\n", b"Action: failed\n",
     b"Status: 5.1.1\n", b"The following address(es) failed:\n", b"<a@b.cz>:\n", b"From: mailer-daemon@x.cz\n",
     b"Subject: Undelivered Mail\n", b"message could not be delivered to one or more recipients\n", b"\xff\x00",
     b"X-Failed-Recipients: =?x\n", b"Content-Transfer-Encoding: base64\n", b"charset=\"", b"{\"Message\": 1}"]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=20), max_size=40).map(b"".join))
def test_no_input_makes_it_raise(raw: bytes) -> None:
    found = bounce(b"Return-Path: <>\n" + raw)
    assert found is None or set(found.dead) <= set(found.failed)


def lines(piece: str, width: int = 990) -> Callable[[int], str]:
    line = (piece * width)[:width] + "\n"
    return lambda size: line * (size // len(line))


def whole(piece: str) -> Callable[[int], str]:
    return lambda size: piece * (size // len(piece))


HOSTILE: dict[str, Callable[[int], str]] = {
    "one-long-word": whole("a"),
    "long-words": lines("a"),
    "addresses-without-end": lines("a@"),
    "dots": lines("a@b.-"),
    "quotes": lines('"\\'),
    "brackets": lines("<"),
    "dashes": whole("--a\n"),
    "parts": whole("--a\nContent-Type: text/plain\n"),
    "nested": whole("Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
    "spaces": lines("following "),
    "white": lines("the following address" + " " * 60),
    "recipients": whole("The following address(es) failed:\n a@b.cz\n"),
    "half-sentences": lines("delivery message mail user name is not be recipients were not "),
    "groups": whole("Final-Recipient: rfc822; a@b.cz\nAction: failed\n\n"),
    "folded": whole("Final-Recipient: a@b.cz\n Action: failed\n"),
    "ids": lines("Message-ID: <"),
    "rules": lines("-"),
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_hostile_bounces_cost_no_more_than_their_length(shape: str) -> None:
    head = "Return-Path: <>\nFrom: mailer-daemon@x.cz\nSubject: Undelivered Mail, failure notice\n\n"

    def work(size: int) -> Callable[[], object]:
        message = parse((head + HOSTILE[shape](size)).encode())
        return lambda: bounces.find(message)

    assert_linear(work, 200_000)


def test_an_address_that_is_announced_a_thousand_times_is_judged_once() -> None:
    raw = b"X-Failed-Recipients: jan@zakaznik.example\n" * 900 + b"\n" + b"550 5.1.1 unknown user\n" * 3000
    message = parse(raw)
    assert cpu_seconds(lambda: bounces.find(message)) < allowed(0.5)
    found = bounces.find(message)
    assert found is not None
    assert found.failed == (JAN,)


def test_ordinary_mail_passes_the_gate_at_once() -> None:
    received = "".join(
        f"Received: from a{n}.example by b.example; Mon, 2 Mar 2026 10:00:00 +0100\r\n" for n in range(30)
    )
    message = parse(
        f"Return-Path: <eva@z.cz>\r\n{received}From: Eva <eva@z.cz>\r\nSubject: Nabidka\r\n"
        "Content-Type: text/plain\r\n\r\nText\r\n".encode()
    )
    assert min(timeit.repeat(lambda: bounces.find(message), timer=process_time, number=500, repeat=5)) / 500 < 100e-6


# The collection --------------------------------------------------------------------------------------------------


@dataclass
class Score:
    right: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, found: Iterable[str], wanted: Iterable[str]) -> None:
        got, want = set(found), set(wanted)
        self.right += len(got & want)
        self.wrong += len(got - want)
        self.missed += len(want - got)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed)

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong)

    def __str__(self) -> str:
        return f"recall {self.recall:.3f}, precision {self.precision:.3f}"


def library_alone(raw: bytes) -> set[str]:
    try:
        return {address.decode().lower() for address in all_failures(email.message_from_bytes(raw))[1]}
    except Exception:  # noqa: BLE001 - it raises on mail without From
        return set()


def answers() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((HERE / "bounce_answers.json").read_text("utf-8"))
    return found


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the collection is not here")
def test_the_collection_is_read_as_a_person_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)
    ours, library = Score(), Score()
    for name, answer in answers().items():
        raw = (CORPUS / name).read_bytes()
        found = bounce(raw)
        ours.add(found.failed if found else (), answer["failed"])
        library.add(library_alone(raw), answer["failed"])
    with capsys.disabled():
        print(f"\nbounces: {ours}; flufl.bounce alone: {library}")  # noqa: T201 - the figures are for the reader
    assert ours.recall >= 0.92
    assert ours.precision >= 0.98


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the collection is not here")
def test_every_answer_stands_in_its_mail() -> None:
    key = answers()
    assert set(key) == {path.name for path in CORPUS.iterdir()}
    for name, answer in key.items():
        words = _decoded((CORPUS / name).read_bytes())
        assert all(address in words.lower() for address in answer["failed"]), name
        assert all(" ".join(phrase.split()) in words for phrase in answer["how"].split(" / ")), name


def _decoded(raw: bytes) -> str:
    parts = [part.get_payload(decode=True) for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]
    return " ".join(b"\n".join([raw, *(part for part in parts if isinstance(part, bytes))]).decode("latin-1").split())
