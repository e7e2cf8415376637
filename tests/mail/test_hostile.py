"""Hostile mail of 1 MB: under 2 s of CPU each, and no more than linear (TRUST.md B8, B10, B11, M7 to M10)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crmservice.mail.addresses import mailboxes, strict_sender
from crmservice.mail.body import html_to_text, table_rows
from crmservice.mail.headers import decode, parameters
from crmservice.mail.message import Headers
from crmservice.mail.parsing import parse
from crmservice.mail.text import fold
from crmservice.mail.trust import read
from tests.mail.clock import MEGABYTE, allowed, assert_linear, cpu_seconds

MIXED = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
HTML = b"Content-Type: text/html\r\n\r\n"


def filled(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit))


def onion(size: int) -> bytes:
    levels = (b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(size // 60))
    return b"".join(levels)


def part(head: bytes, unit: bytes, size: int) -> bytes:
    return MIXED + b"--b\r\n" + head + filled(unit, size) + b"\r\n\r\nx\r\n--b--"


def torn(depth: int, unit: bytes, size: int) -> bytes:
    """Multiparts in each other, and a line that is nearly a boundary, for which the fast reader is not believed."""
    return onion(60 * depth) + b"\n--1x\n" + filled(unit, size)


MAILS: dict[str, Callable[[int], bytes]] = {
    "nested multiparts": onion,
    "nested mails": lambda n: filled(b"Content-Type: message/rfc822\r\n\r\n", n),
    "one boundary for all": lambda n: filled(b'Content-Type: multipart/mixed; boundary="a"\r\n\r\n--a\r\n', n),
    "parts": lambda n: MIXED + filled(b"--b\r\n\r\nx\r\n", n),
    "empty lines in torn multiparts": lambda n: torn(300, b"\n", n),
    "empty lines in as many torn multiparts as are read": lambda n: torn(19, b"\n", n),
    "dashes in torn multiparts": lambda n: torn(19, b"--\n", n),
    "boundaries of torn multiparts": lambda n: torn(19, b"--1\n--2\n", n),
    "ends of torn multiparts": lambda n: torn(19, b"--9--\n", n),
    "one boundary for all torn multiparts": lambda n: (
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\n'
        + filled(b'Content-Type: multipart/mixed; boundary="a"\r\n\r\n--a\r\n', n)
    ),
    "parts with torn headers": lambda n: MIXED + b"--bx\r\n" + filled(b"--b\r\nX" + b"y" * 2000, n),
    "lines like a boundary": lambda n: MIXED + filled(b"\r\n--bx", n),
    "headers": lambda n: filled(b"X: y\r\n", n),
    "one header": lambda n: b"X: " + filled(b"a", n),
    "a folded header": lambda n: b"X: a" + filled(b"\r\n b", n),
    "recipients": lambda n: b"To: " + filled(b"a@b.cz, ", n),
    "encoded words": lambda n: b"Subject: " + filled(b"=?utf-8?q?a?= ", n // 4),
    "encoded words in a part": lambda n: part(b"Subject: ", b"=?utf-8?q?a?= ", n),
    "sections of a parameter": lambda n: part(b"Content-Type: a/b", b"; a*0=b", n),
    "one header of a part, again and again": lambda n: part(b"", b"Content-: b\r\n", n),
    "headers of a part": lambda n: MIXED + b"--b\r\n" + b"".join(b"Content-%d: b\r\n" % k for k in range(n // 17)),
    "quotes in a parameter": lambda n: part(b"Content-Type: a/b", b'; a="', n),
    "marks in a file name": lambda n: part(b"Content-Type: a/b; name=", "\u0301\u0323".encode(), n),
    "tags": lambda n: HTML + filled(b"<a ", n),
    "levels": lambda n: HTML + filled(b"<div>", n),
    "cid": lambda n: HTML + filled(b"cid:", n),
    "soft line ends": lambda n: b"Content-Type: text/plain; format=flowed\r\n\r\n" + filled(b">a \r\n", n),
    "base64": lambda n: b"Content-Transfer-Encoding: base64\r\n\r\n" + filled(b"A=!", n),
    "8-bit text": lambda n: b"\r\n" + filled(b"\xc3\xa9\xff", n),
    "a crafted TNEF": lambda n: part(b"Content-Type: application/ms-tnef\r\n\r\n", b"\x78\x9f\x3e\x22\x01\x00", n),
    "a shifting character set": lambda n: (
        b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + filled(b"\x1b$B\x1b(B", n)
    ),
}


@pytest.mark.parametrize("make", MAILS.values(), ids=MAILS.keys())
def test_a_hostile_mail_is_read_in_linear_time(make: Callable[[int], bytes]) -> None:
    def work(size: int) -> Callable[[], object]:
        raw = make(size)
        return lambda: [attachment.content for attachment in parse(raw).attachments]

    assert_linear(work)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("nested multiparts", "limit-depth"),
        ("nested mails", "limit-depth"),
        ("empty lines in torn multiparts", "limit-depth"),
        ("parts", "limit-parts"),
        ("headers", "limit-headers"),
        ("one header", "limit-header-block"),
        ("a folded header", "limit-header-block"),
    ],
)
def test_a_mail_beyond_a_cap_says_so(name: str, limit: str) -> None:
    assert limit in parse(MAILS[name](MEGABYTE)).limits


def test_encoded_words_without_an_end_cost_little_in_a_short_header_too() -> None:
    # The fast reader's cost grows with their cube.
    raw = b"Subject: " + (b"=?utf-8?q?" * 12 + b"=?utf-8a ") * 400 + b"\r\n\r\nx"
    assert cpu_seconds(lambda: parse(raw)) < allowed(0.1)


def test_quoted_printable_with_8_bit_is_cut_out_of_the_mail_once_for_all_parts() -> None:
    part = b"--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"\xc5\r\n" * 1000
    raw = MIXED + part * 400
    assert cpu_seconds(lambda: parse(raw)) < allowed(0.5)


def test_too_many_recipients_are_a_limit() -> None:
    assert parse(b"To: " + b"a@b.cz, " * 1001 + b"\n\n").limits == ("limit-addresses",)
    assert parse(b"To: " + b"a@b.cz, " * 1000 + b"\n\n").limits == ()


def test_too_much_text_is_a_limit() -> None:
    message = parse(b"\n" + b"a" * (26 * 1024 * 1024))
    assert message.limits == ("limit-text",)
    assert len(message.text) <= 25 * 1024 * 1024


def test_depth_twenty_is_no_limit() -> None:
    assert parse(onion(19 * 60) + b"\r\nx").limits == ()
    assert parse(onion(21 * 60) + b"\r\nx").limits == ("limit-depth",)


UNITS = [
    "(",
    '"',
    "<",
    "[",
    "\\",
    "(\\",
    "a ",
    ":",
    "@",
    "a@",
    "()",
    '"\\"',
    "a@b,",
    "=?",
    "=?a?q?",
    ";a",
    "; ",
    ";a*0=",
    "\u0301\u0323",
]


@pytest.mark.parametrize("reader", [mailboxes, decode, parameters, fold, read])
@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_header_is_read_in_linear_time(reader: Callable[[str], object], unit: str) -> None:
    # A header block ends at 256 KB.
    assert_linear(lambda size: lambda: reader("x;" + unit * (size // 4 // len(unit))))


@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_from_is_read_in_linear_time(unit: str) -> None:
    assert_linear(lambda size: lambda: strict_sender(Headers((("from", unit * (size // 4 // len(unit))),))))


SNIPPETS = [
    "<a ",
    "<div>",
    "<b>",
    "<table><tr><td>",
    "<a href=x>",
    "&",
    "<",
    "<td>",
    "<td><p>",
    "<li>",
    "<!--",
    "<svg>",
    "<font><p>",
    "<p a=1 ",
    "<p><a><b>x</p>",
]


@pytest.mark.parametrize("unit", SNIPPETS)
def test_hostile_html_is_read_in_linear_time(unit: str) -> None:
    assert_linear(lambda size: lambda: html_to_text("<table><tr>" + unit * (size // len(unit))))
    assert_linear(lambda size: lambda: table_rows("<table><tr>" + unit * (size // len(unit))))


def test_a_tag_of_a_megabyte_is_read_in_linear_time() -> None:
    assert_linear(lambda size: lambda: html_to_text("<p " + " ".join(f"a{n}=1" for n in range(size // 9))))
