"""Whom a mail names is found wherever it stands, and can be blacked out there."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.mentions import in_text, mentions, replaced
from crmservice.mail.parsing import parse
from crmservice.mail.redaction import MARK, blacked_out
from crmservice.testing.builders import calendar, eml, nested, part
from tests.mail.clock import assert_linear

EVA = "eva@acme.cz"


def wanted(address: str) -> bool:
    return address == EVA


@pytest.mark.parametrize(
    "text",
    [
        "eva@acme.cz", "Eva <EVA@Acme.CZ>,", "mailto:eva@acme.cz?subject=x", "(eva@acme.cz).", "„eva@acme.cz“", "_eva@acme.cz_",
        "https://x.cz/out?email=eva%40acme.cz&a=1", "id=eva@acme.cz;", "'eva@acme.cz'", "eva&#64;acme.cz", "-eva@acme.cz-",
        "a@b.cz,eva@acme.cz", "eva@acme.cz\r\n--", '"eva@acme.cz"', "[eva@acme.cz]", "*eva@acme.cz*",
    ],
)  # fmt: skip
def test_an_address_is_found_and_replaced_whatever_stands_around_it(text: str) -> None:
    assert EVA in set(in_text(text))
    gone = replaced(text, lambda one: "x" if wanted(one) else None)
    assert EVA not in set(in_text(gone))
    assert "acme" not in gone.lower()


@pytest.mark.parametrize(
    "text",
    ["neva@acme.cz", "eva@acme.cz.evil.test", "eva@acme.czx", "eva.acme.cz", "eva @acme.cz", "jan.eva@acme.cz", "@"],
)
def test_somebody_elses_address_is_not_taken_for_it(text: str) -> None:
    assert EVA not in set(in_text(text))
    assert replaced(text, lambda one: "x" if wanted(one) else None) == text


def test_local_parts_with_signs_in_them_are_whole() -> None:
    assert "o'brien+news@acme.co.uk" in set(in_text("to o'brien+news@acme.co.uk."))


@given(st.text(alphabet="ae@%40.<>'_=,; \r\ncz-&#;", max_size=80))
def test_what_is_replaced_is_found_no_more(text: str) -> None:
    assert not any(
        address == "a@c.cz" for address in in_text(replaced(text, lambda one: "?" if one == "a@c.cz" else None))
    )


@pytest.mark.parametrize("unit", ["a@", "@", "a", "'a", "x@y.", "%40", "a.@"])
def test_hostile_text_is_read_in_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        text = unit * (size // len(unit))
        begin = time.process_time()
        list(in_text(text))
        return time.process_time() - begin

    cost(50_000)
    assert cost(1_000_000) < 10 * max(cost(200_000), 0.02)


def test_who_takes_part_is_told_from_who_is_named() -> None:
    raw = eml(
        "viz x@y.cz", sender=f"Eva <{EVA}>", to="jan@firma.cz", cc="Petr <petr@jiny.cz>", subject="pro dan@acme.cz",
        delivered_to="box@firma.cz",
    )  # fmt: skip
    found = mentions(raw)
    assert (found.sender, found.whole) == (EVA, True)
    assert found.correspondents == found.parties - {"box@firma.cz"}
    assert found.parties == {EVA, "jan@firma.cz", "petr@jiny.cz", "box@firma.cz"}
    assert {"dan@acme.cz", "x@y.cz"} <= found.others


def encoded(content: bytes, kind: str, name: str = "") -> bytes:
    """A leaf in base64."""
    disposition = f'Content-Disposition: attachment; filename="{name}"\r\n' if name else ""
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n{disposition}\r\n"
    return head.encode() + base64.encodebytes(content).replace(b"\n", b"\r\n")


HIDDEN = {
    "base64 text": eml(parts=[encoded(b"pro eva@acme.cz", "text/plain", "a.txt")]),
    "html": eml(html='<a href="mailto:Eva@acme.cz">napiste</a> &amp; <b>eva@acme.cz</b>'),
    "calendar": eml(parts=[calendar(attendee=EVA)]),
    "folded calendar": eml(parts=[calendar(attendee="eva@ac\n me.cz")]),
    "mail inside": eml(parts=[nested(eml("inside", sender=EVA))]),
    "subject": eml(subject=f"Re: dotaz od {EVA}"),
    "encoded subject": eml(headers=[("Thread-Topic", f"Ž od {EVA}")]),
    "file name": eml(parts=[part("a", name=f"{EVA}.txt")]),
    "binary": eml(parts=[encoded(b"\0\1/A (eva@acme.cz) \xff" * 3, "application/octet-stream", "a.bin")]),
    "reference": eml(in_reply_to=f"<{EVA}>", x_note=EVA),
    "recipient": eml(to=f"Eva Nová <{EVA}>, jan@firma.cz, Petr <petr@jiny.cz>"),
}


@pytest.mark.parametrize("where", HIDDEN)
def test_an_address_is_found_and_blacked_out_wherever_a_mail_has_it(where: str) -> None:
    raw = HIDDEN[where]
    assert EVA in mentions(raw).everybody
    fresh = blacked_out(raw, wanted)
    assert fresh is not None
    assert EVA not in mentions(fresh).everybody
    assert EVA.encode() not in fresh.lower()
    before, after = parse(raw), parse(fresh)
    assert after.sent == before.sent
    assert [one.size > 0 for one in after.attachments] == [one.size > 0 for one in before.attachments]
    assert after.limits == ()


def test_the_others_stay_as_they_were_and_the_name_goes_with_the_address() -> None:
    fresh = blacked_out(HIDDEN["recipient"], wanted)
    assert fresh is not None
    assert parse(fresh).recipients == (MARK, "jan@firma.cz", "petr@jiny.cz")
    assert [address.name for address in parse(fresh).to] == ["", "", "Petr"]
    assert "Nov" not in fresh.decode().split("\r\n\r\n")[0]


def test_a_mail_that_does_not_name_them_is_only_written_anew() -> None:
    raw = eml("Dobrý den,\n.\nžluťoučký kůň", subject="Zakázka: 123")
    fresh = blacked_out(raw, wanted)
    assert fresh is not None
    assert (parse(fresh).text, parse(fresh).subject) == (parse(raw).text, parse(raw).subject)


@pytest.mark.parametrize(
    "line",
    [
        "Message-ID: <a@b.cz>\x0bX: y", "Message-ID: <a@b.cz>\x0cX: y", "X-A: y\rAuto-Submitted: auto-generated\rX-Auth: Internal",
        "X-A: \x1c\x85\u2028X: y", "X-A: a\0b", "X-A:", "X-A: one\r\n two\r\n\tthree", "Subject: =?x?q?=FF?=  =?utf-8?b?!?=",
        f"Cc: Jan  NOVÁK<jan@x.cz>  ,\r\n {EVA} ,\"a, b\" <b@x.cz>", f"To: a@x.cz\rX-Auth: Internal, {EVA}",
    ],
)  # fmt: skip
def test_every_byte_that_is_not_hers_stays(line: str) -> None:
    raw = f"From: jan@x.cz\r\n{line}\r\nReply-To: {EVA}\r\nX-B:b\r\n\r\npro {EVA}\r\n.\r\n\x0b".encode()
    assert blacked_out(raw, wanted) == raw.replace(EVA.encode(), MARK.encode())


def test_what_stands_around_parts_and_in_the_envelope_is_blacked_out_too() -> None:
    raw = (
        f'From {EVA} Mon\nContent-Type: multipart/mixed; boundary="{EVA}"\n\npre {EVA}\n--{EVA}\n\nx\n--{EVA}--\n{EVA}'
    )
    assert blacked_out(raw.encode(), wanted) == raw.replace(EVA, MARK).encode()
    for torn in (raw.replace("\n", "\r"), "\ufeff" + raw.partition("\n")[2]):
        assert blacked_out(torn.encode(), wanted) == torn.replace(EVA, MARK).encode()


def test_a_text_in_another_character_set_stays_readable() -> None:
    head = (
        "From: jan@x.cz\nContent-Type: text/plain; charset=iso-8859-2\nContent-Transfer-Encoding: quoted-printable\n\n"
    )
    for written in ("=BEluva eva@acme.cz", "=BEluva eva=40acme.cz", "=BEluva=BEeva@ac=\nme.cz"):
        fresh = blacked_out((head + written).encode(), wanted)
        assert fresh is not None
        assert parse(fresh).text.startswith("žluva")
        assert MARK in parse(fresh).text
    raw = b"Content-Type: text/plain; charset=utf-16\n\n" + "žluva eva@acme.cz".encode("utf-16")
    assert parse(blacked_out(raw, wanted) or b"").text == f"žluva {MARK}"


@pytest.mark.parametrize("unit", [b"eva@acme.cz ", b"a#@acme.cz ", b"#@", b"eva%40acme.cz,", b"--b\n\neva@acme.cz\n"])
@pytest.mark.parametrize("kind", [b"application/pdf", b"text/plain", b"multipart/mixed; boundary=b"])
def test_a_hostile_body_is_blacked_out_in_linear_time(unit: bytes, kind: bytes) -> None:
    def prepare(size: int) -> Callable[[], object]:
        units = b"".join(unit.replace(b"#", b"%d" % n) for n in range(size // len(unit)))
        raw = b"From: a@b.cz\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: %b\n\n%b\n--x--" % (
            kind,
            units,
        )
        return lambda: blacked_out(raw, lambda address: address.endswith("@acme.cz"))

    assert_linear(prepare, 200_000)


@pytest.mark.parametrize(
    "unit", ["eva@acme.cz,", '"', "<", "(", "=?x?q?", "=?", "\\", "é <eva@acme.cz>,", "=?x?q?eva=40acme.cz?= ", ",;"]
)
def test_a_hostile_header_is_blacked_out_in_linear_time(unit: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        value = unit * (size // len(unit))
        raw = f"To: {EVA}, {value}\nSubject: {EVA} {value}\n\nx".encode()
        return lambda: blacked_out(raw, wanted)

    assert_linear(prepare, 100_000)


def test_what_can_not_be_done_surely_is_not_done() -> None:
    deep = b"Content-Type: message/rfc822\r\n\r\n" * 3000 + f"To: {EVA}\r\n\r\n".encode()
    assert not mentions(deep).whole
    assert blacked_out(deep, wanted) is None
    assert blacked_out(b"From: eva@acme.cz\r\n\r\n" + b"x" * 5_300_000, wanted) is None
    inside = eml(parts=[encoded(f"From: {EVA}\r\n\r\nx".encode(), "message/rfc822")])
    assert EVA in mentions(inside).everybody
    assert blacked_out(inside, wanted) is None


def test_whatever_arrives_is_read() -> None:
    for raw in (b"", b"\r\n", b"From: eva@acme.cz", b"\xff\xfe\0", b"To: " + b"=?utf-8?q?" * 3000):
        mentions(raw)
        blacked_out(raw, wanted)
