"""Mail as the usual clients write it: Outlook, Gmail, Apple Mail, Seznam, Exchange, signed and sealed mail."""

from __future__ import annotations

import base64

import pytest

from crmservice.mail.message import Message
from crmservice.mail.reading import read

HORSE = "Příliš žluťoučký kůň úpěl ďábelské ódy."
HEAD = (
    b"From: =?utf-8?Q?Jan_Nov=C3=A1k?= <jan@zakaznik.example>\r\nTo: crm@firma.example\r\n"
    b"Date: Mon, 2 Mar 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n"
)


def mail(*lines: str | bytes) -> Message:
    return read(HEAD + b"\r\n".join(line.encode() if isinstance(line, str) else line for line in lines))


def names(message: Message) -> list[str]:
    return [attachment.name for attachment in message.attachments]


def sent_from(written: str) -> Message:
    return read(f"From: {written}\r\n\r\nx".encode())


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("Windows-1250", "cp1250"),
        ("cp-1250", "cp1250"),
        ("x-cp1250", "cp1250"),
        ("win-1250", "cp1250"),
        ("utf8", "utf-8"),
        ("'utf-8'", "utf-8"),
        ("iso-8859-2", "iso8859-2"),
        ("8859-2", "iso8859-2"),
        ("iso_8859-2:1987", "iso8859-2"),
        ("IBM852", "cp852"),
        ("us-ascii", "cp1250"),
        ("iso-8859-2-never-heard-of", "cp1250"),
    ],
)
def test_a_character_set_is_known_by_each_of_its_labels(label: str, codec: str) -> None:
    assert mail(f'Content-Type: text/plain; charset="{label}"', "", HORSE.encode(codec)).text == HORSE


def test_html_without_a_declared_set_is_read_by_its_meta() -> None:
    page = "<html><head><meta http-equiv=Content-Type content='text/html; charset=iso-8859-2'></head><p>škoda</p>"
    assert mail("Content-Type: text/html", "", page.encode("iso8859-2")).text == "škoda"


def test_a_soft_line_end_may_stand_within_a_character() -> None:
    message = mail(
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "P=C5=",
        "=99=C3=ADli=C5=A1 =",
        "dlouh=C3=BD",
    )
    assert message.text == "Příliš dlouhý"


@pytest.mark.parametrize("encoding", ["base64", "BASE64", '"base64"', "base64;", "base64 (x)"])
def test_a_transfer_encoding_is_known_however_it_is_written(encoding: str) -> None:
    body = base64.b64encode(HORSE.encode())
    head = ("Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}", "")
    assert mail(*head, body).text == HORSE


FOOTERS = [
    ("-- ", "Tento e-mail byl zkontrolován antivirem."),
    ("_______________________________________________", "Novinky mailing list", "https://firma.cz/novinky"),
    ("Tento mail byl zkontrolovan",),  # each letter one of base64, and as many as it takes
    ("Zkontrolovano antivirem",),
]


@pytest.mark.parametrize("footer", FOOTERS, ids=[footer[0] for footer in FOOTERS])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("preamble", ["", "--bx"], ids=["the fast reader", "the patient reader"])
def test_a_footer_below_base64_is_none_of_it(footer: tuple[str, ...], padding: int, preamble: str) -> None:
    content = b"%PDF-1.4\n" + b"." * (300 - padding)
    encoded = base64.encodebytes(content).decode().splitlines()
    head = ("Content-Type: multipart/mixed; boundary=b", "", preamble)
    leaf = ("Content-Transfer-Encoding: base64", "", *encoded, "", *footer)
    message = mail(*head, "--b", *leaf, "--b", "Content-Type: application/pdf", *leaf, "--b--")
    assert encoded[-1].count("=") == padding
    assert message.text == content.decode()
    assert message.attachments[0].content == content


def test_base64_with_empty_lines_between_its_lines_is_whole() -> None:
    encoded = base64.encodebytes(HORSE.encode() * 5).replace(b"\n", b"\n\n") + b"!"
    head = ("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "")
    assert mail(*head, encoded).text == HORSE * 5


def test_uuencode_ends_where_it_says_and_an_empty_line_in_it_is_nothing() -> None:
    lines = ("begin 644 x", "#86)C", "", "#86)C", "`", "end", "", "-- ", "Tento e-mail byl zkontrolován.")
    assert mail("Content-Transfer-Encoding: x-uuencode", "", *lines).text == "abcabc"


def test_a_byte_order_mark_hides_no_header() -> None:
    message = read(b"\xef\xbb\xbf" + HEAD + b"\r\nx")
    assert message.sender is not None
    assert (message.text, message.defects) == ("x", ())


def test_apple_mail_writes_text_before_and_after_an_attachment() -> None:
    message = mail(
        "Content-Type: multipart/mixed; boundary=A",
        "",
        "--A",
        "Content-Type: text/plain",
        "",
        "Pred",
        "--A",
        'Content-Disposition: inline; filename="=?utf-8?Q?p=C5=99=C3=ADloha.pdf?="',
        'Content-Type: application/pdf; x-unix-mode=0644; name="=?utf-8?Q?p=C5=99=C3=ADloha.pdf?="',
        "",
        "%PDF",
        "--A",
        "Content-Type: text/plain",
        "",
        "Po",
        "--A--",
    )
    assert (message.text, names(message), message.defects) == ("Pred\nPo", ["příloha.pdf"], ())


def test_an_encoded_word_can_end_no_quotes() -> None:
    # Decoded first, the name would read as name="a"; charset=utf-16.
    message = mail(
        "Content-Type: multipart/mixed; boundary=A",
        "",
        "--A",
        'Content-Type: text/plain; name="=?us-ascii?q?a=22;_charset=3Dutf-16?="',
        "",
        "Ahoj",
        "--A--",
    )
    assert message.text == "Ahoj"


def test_outlook_shows_pictures_that_its_html_names() -> None:
    message = mail(
        'Content-Type: multipart/related; boundary=R; type="multipart/alternative"',
        "",
        "--R",
        "Content-Type: multipart/alternative; boundary=Q",
        "",
        "--Q",
        'Content-Type: text/plain; charset="Windows-1250"',
        "",
        "Škoda".encode("cp1250"),
        "--Q",
        'Content-Type: text/html; charset="Windows-1250"',
        "",
        '<p>Škoda<img src="cid:image001.png@01D"></p>'.encode("cp1250"),
        "--Q--",
        "--R",
        "Content-Type: image/png; name=image001.png",
        "Content-ID: <image001.png@01D>",
        "",
        "x",
        "--R",
        "Content-Type: image/png; name=image002.png",
        "Content-ID: <image002.png@01D>",
        "",
        "x",
        "--R--",
    )
    assert (message.text, names(message)) == ("Škoda", ["image002.png"])
    assert [part.name for part in message.inline] == ["image001.png"]


def test_a_name_may_be_cut_in_sections() -> None:
    message = mail(
        "Content-Type: application/pdf",
        "Content-Disposition: attachment;",
        " filename*0*=windows-1250''%8Akoda;",
        ' filename*1="%20a";',
        " filename*2*=%20%9Akola.pdf",
        "",
        "x",
    )
    assert (message.text, names(message)) == ("", ["Škoda%20a škola.pdf"])


@pytest.mark.parametrize("fold", ["\r\n ", "\n\t", "\r\n\t"])
def test_a_calendar_may_be_folded_within_a_character(fold: str) -> None:
    event = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260302T100000Z\r\nSUMMARY:Pří"
    calendar = event.encode()[:-1] + fold.encode() + event.encode()[-1:] + b"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    encoded = base64.encodebytes(calendar)
    head = ("Content-Type: text/calendar; charset=utf-8; method=REQUEST", "Content-Transfer-Encoding: base64", "")
    message = mail(*head, encoded)
    assert message.invitation is not None
    assert (message.invitation.events[0].summary, message.attachments) == ("Pří", ())


def test_a_signed_mail_is_read_and_keeps_its_signature() -> None:
    message = mail(
        'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=S',
        "",
        "This is an S/MIME signed message",
        "--S",
        "Content-Type: text/plain; charset=iso-8859-2",
        "",
        "šek".encode("iso8859-2"),
        "--S",
        'Content-Type: application/pkcs7-signature; name="smime.p7s"',
        "Content-Transfer-Encoding: base64",
        "",
        "AAAA",
        "--S--",
    )
    assert (message.text, names(message), message.defects) == ("šek", ["smime.p7s"], ())


@pytest.mark.parametrize(
    ("content_type", "defect"),
    [
        ("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", "opaque-signed"),
        ("application/x-pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "encrypted"),
    ],
)
def test_a_sealed_mail_is_an_attachment_and_a_defect(content_type: str, defect: str) -> None:
    message = mail(f"Content-Type: {content_type}", "Content-Transfer-Encoding: base64", "", "AAAA")
    assert (message.text, names(message), message.defects) == ("", ["smime.p7m"], (defect,))


def test_an_encrypted_pgp_mail_is_its_parts_and_a_defect() -> None:
    message = mail(
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=P',
        "",
        "--P",
        "Content-Type: application/pgp-encrypted",
        "",
        "Version: 1",
        "--P",
        "Content-Type: application/octet-stream; name=encrypted.asc",
        "",
        "-----BEGIN PGP MESSAGE-----",
        "--P--",
    )
    assert (message.text, names(message)[1], message.defects) == ("", "encrypted.asc", ("encrypted",))


def test_a_mail_may_be_an_attachment_and_nothing_else() -> None:
    message = mail('Content-Type: application/pdf; name="sken.pdf"', "Content-Disposition: attachment", "", "%PDF")
    assert (message.text, names(message)) == ("", ["sken.pdf"])


@pytest.mark.parametrize(
    "written",
    [
        "=?iso-8859-2?Q?Nov=E1k,_Jan?= <jan@zakaznik.example>",
        '"=?iso-8859-2?Q?Nov=E1k,_Jan?=" <jan@zakaznik.example>',
        '"Novák, Jan" <jan@zakaznik.example>',
    ],
)
def test_a_name_with_a_comma_is_one_name(written: str) -> None:
    sender = sent_from(written).sender
    assert sender is not None
    assert (sender.name, sender.email) == ("Novák, Jan", "jan@zakaznik.example")


def test_an_address_in_an_encoded_name_with_a_comma_leaves_no_sender() -> None:
    assert sent_from("=?utf-8?q?boss=40firma.example,?= <eve@evil.example>").sender_problem == "from-name-address"


def test_a_bounce_that_says_bulk_is_no_newsletter() -> None:
    message = read(b"Return-Path: <>\r\nPrecedence: bulk\r\nSubject: Undelivered Mail\r\n\r\n<a@b.example>: 550 5.1.1\r\n"
                   b"message could not be delivered to one or more recipients\r\n")  # fmt: skip
    assert message.bounce is not None
    assert message.bulk == ""


def test_a_nested_mail_that_had_to_be_repaired_keeps_its_bytes() -> None:
    inner = b"Subject: A\r\n\tB\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx \r\n--i--\r\n"
    lines = ("Content-Type: multipart/mixed; boundary=o", "", "--o", "", "--ox", "--o", "Content-Type: message/rfc822")
    message = mail(*lines, "", inner, "--o--")
    assert (message.nested, message.defects) == ((inner,), ("structure-repaired",))
