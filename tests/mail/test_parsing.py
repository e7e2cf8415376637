from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmservice.mail import content, parsing, patient, structure
from crmservice.mail.headers import decode, parameters, read, split
from crmservice.mail.message import Message
from crmservice.mail.names import safe_name
from crmservice.mail.parsing import parse

FIXTURES = Path(__file__).parent / "fixtures" / "parsing"
HORSE = "Příliš žluťoučký kůň"


def mail(name: str) -> Message:
    return parse((FIXTURES / f"{name}.eml").read_bytes())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("charset-utf-8", HORSE),
        ("charset-windows-1250", HORSE),
        ("charset-iso-8859-2", HORSE),
        ("charset-none-cp1250", HORSE),
        ("charset-none-utf8", HORSE),
        ("charset-ascii-but-utf8", HORSE),
        ("charset-unknown", HORSE),
        ("charset-utf7", "+AGE-hoj"),
        ("charset-rot13", "ahoj"),
        ("charset-iso2-really-cp1250", "Škoda šíp"),
        ("base64-torn", "Ahoj"),
        ("boundary-end-missing", "Ahoj"),
        ("boundary-prefix-of-another", "Ahoj"),
        ("flowed", "Prvni cast.\n> citat dal\n-- \nJana"),
        ("flowed-delsp", "slovo"),
        ("html-only", "Ahoj Jano\n\nodkaz <https://x.cz/?id=5>"),
        ("nul-bytes", "A\ufffdhoj"),
        ("lines-cr-only", "Ahoj"),
        ("lines-lf-only", "Ahoj"),
        ("mbox-first-line", "Ahoj"),
        ("header-without-colon", "toto neni hlavicka\nX: y\n\nAhoj"),
        ("headers-only", ""),
        ("uuencode", "abc"),
        ("encoding-with-comment", "Ahoj!"),
        ("quoted-printable-with-8-bit", "Příliš žluťoučký kůň!"),
    ],
)
def test_the_body_is_what_was_written(name: str, text: str) -> None:
    message = mail(name)
    assert message.text.strip() == text
    assert message.limits == ()


@pytest.mark.parametrize("name", ["header-raw-utf8", "header-raw-cp1250", "header-word-split-in-character"])
def test_the_subject_is_what_was_written(name: str) -> None:
    assert mail(name).subject == HORSE


def test_the_envelope_of_a_mail_is_read() -> None:
    message = mail("charset-utf-8")
    assert message.sender is not None
    assert (message.sender.email, message.recipients) == ("jana@acme.cz", ("novak@firma.cz",))
    assert message.sent == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
    assert message.message_id == "1@acme.cz"
    assert message.defects == ()


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("date-missing", "date-missing"),
        ("date-of-1601", "date-unusable"),
        ("header-without-colon", "header-line"),
        ("boundary-undeclared", "structure-repaired"),
        ("boundary-never-used", "structure-repaired"),
        ("boundary-prefix-of-another", "structure-repaired"),
        ("name-raw-cp1250", "structure-repaired"),
    ],
)
def test_what_was_wrong_is_a_defect(name: str, defect: str) -> None:
    assert defect in mail(name).defects


@pytest.mark.parametrize("name", ["boundary-undeclared", "boundary-never-used"])
def test_a_multipart_without_parts_is_text(name: str) -> None:
    assert "Ahoj" in mail(name).text


def test_empty_input_is_a_mail_without_anything() -> None:
    message = mail("empty")
    assert (message.text, message.sender, message.attachments) == ("", None, ())
    assert message.sender_problem == "from-missing"


def test_two_from_headers_leave_no_sender() -> None:
    assert mail("from-several").sender_problem == "from-several"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("name-rfc2231", "Příloha 1.pdf"),
        ("name-encoded-word", "Příloha 1.pdf"),
        ("name-raw-cp1250", "Příloha 1.pdf"),
        ("name-path", "passwd"),
        ("tnef", "winmail.dat"),
        ("calendar-as-file", "pozvanka.ics"),
    ],
)
def test_an_attachment_has_its_name(name: str, expected: str) -> None:
    assert [attachment.name for attachment in mail(name).attachments] == [expected]


def test_torn_base64_gives_what_can_be_read() -> None:
    assert mail("base64-torn").attachments[0].content == b"%PDF-1.4\n"


@pytest.mark.parametrize("name", ["nested-mail", "nested-mail-base64"])
def test_a_nested_mail_is_one_attachment_named_by_its_subject(name: str) -> None:
    message = mail(name)
    assert [attachment.name for attachment in message.attachments] == ["Původní zpráva.eml"]
    assert parse(message.nested[0]).text.strip() == "Uvnitř"
    assert message.attachments[0].content == message.nested[0]
    assert "Uvnitř" not in message.text


def test_a_part_that_the_html_shows_is_no_attachment() -> None:
    message = mail("html-with-inline-image")
    assert [attachment.name for attachment in message.attachments] == ["other.png"]
    assert [attachment.content_id for attachment in message.inline] == ["logo@x"]


def test_a_calendar_part_is_no_attachment() -> None:
    message = mail("calendar")
    assert message.calendars == ("BEGIN:VCALENDAR\nEND:VCALENDAR",)
    assert message.attachments == ()
    assert message.text == "Ahoj"


def test_an_ics_file_is_a_calendar_and_an_attachment() -> None:
    assert mail("calendar-as-file").calendars == ("BEGIN:VCALENDAR\nEND:VCALENDAR",)


def test_the_parts_of_a_delivery_report_are_attachments() -> None:
    message = mail("delivery-report")
    types = [attachment.content_type for attachment in message.attachments]
    assert types == ["message/delivery-status", "text/rfc822-headers"]
    assert b"Final-Recipient: rfc822; a@b.cz" in message.attachments[0].content


def headers(*lines: str) -> Message:
    return parse("\r\n".join((*lines, "", "x")).encode())


def test_whom_the_delivery_names_is_kept_in_order_without_repetition() -> None:
    message = headers(
        "Delivered-To: crm@firma.cz",
        "X-Original-To: Novak@firma.cz",
        "X-Forwarded-To: novak@firma.cz",
        "Resent-From: alice@firma.cz",
    )
    assert message.delivered_to == ("crm@firma.cz", "novak@firma.cz", "alice@firma.cz")


def test_recipients_are_to_cc_and_bcc_of_all_headers() -> None:
    message = headers("To: a@x.cz, b@x.cz", "Cc: A@x.cz", "Bcc: c@x.cz", "To: d@x.cz", "Resent-To: e@x.cz")
    assert message.recipients == ("a@x.cz", "b@x.cz", "d@x.cz", "c@x.cz")


def test_the_last_references_are_kept() -> None:
    message = headers("References: " + " ".join(f"<{n}@x>" for n in range(40)), "In-Reply-To: <39@x> (x)")
    assert message.references == tuple(f"{n}@x" for n in range(8, 40))
    assert message.in_reply_to == ("39@x",)


@pytest.mark.parametrize("value", ["Private", "personal", "Company-Confidential", "CONFIDENTIAL"])
def test_a_sensitive_mail_is_private(value: str) -> None:
    assert headers(f"Sensitivity: {value}").private
    assert not headers("Sensitivity: normal").private


@pytest.mark.parametrize(
    ("value", "kept"),
    [("<a@b>", "a@b"), ("a@b", "a@b"), ("<a@b> <c@d>", "a@b"), ("<a\x00b>", ""), ("two words", ""), ("", "")],
)
def test_a_message_id_is_one_safe_word(value: str, kept: str) -> None:
    assert headers(f"Message-ID: {value}").message_id == kept


@pytest.mark.parametrize(
    ("value", "hour"),
    [("Mon, 2 Mar 2026 09:15:00 +0100", 8), ("2 Mar 2026 09:15:00 GMT (x)", 9), ("2 Mar 2026 09:15:00 -0000", 9)],
)
def test_a_date_is_an_instant(value: str, hour: int) -> None:
    sent = headers(f"Date: {value}").sent
    assert sent == datetime(2026, 3, 2, hour, 15, tzinfo=UTC)


@pytest.mark.parametrize("value", ["včera", "Mon, 99 Mar 2026 09:15:00", "1 Jan 1970 00:00:00", "1 Jan 2200 00:00:00"])
def test_a_date_that_is_none_is_a_defect(value: str) -> None:
    message = headers(f"Date: {value}")
    assert message.sent is None
    assert "date-unusable" in message.defects


def test_a_control_character_in_a_subject_can_start_no_header() -> None:
    assert headers("Subject: =?utf-8?q?a=0D=0ABcc:_all@evil.test?=").subject == "a\ufffd\ufffdBcc: all@evil.test"


def test_a_text_with_a_file_name_is_an_attachment() -> None:
    part = b"Content-Type: text/plain; name=a.txt\n\nsoubor\n"
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nAhoj\n--b\n" + part + b"--b--\n"
    message = parse(raw)
    assert (message.text, [a.name for a in message.attachments]) == ("Ahoj", ["a.txt"])


def test_html_stands_in_for_an_empty_plain_body() -> None:
    raw = (
        b"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\nContent-Type: text/html\n\n<p>Ahoj\n--b--\n"
    )
    assert parse(raw).text == "Ahoj"


def test_a_form_for_watches_is_no_attachment() -> None:
    watch = b"--b\nContent-Type: text/watch-html\n\n<b>x\n"
    raw = b"Content-Type: multipart/alternative; boundary=b\n\n--b\n\nAhoj\n" + watch + b"--b--\n"
    assert parse(raw).attachments == ()


def test_above_five_megabytes_the_patient_reader_reads_the_first_text_only() -> None:
    broken = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nAhoj\n--bx\n--b\n"
    file = b"Content-Type: application/pdf; name=a.pdf\n\n" + b"x" * 6_000_000 + b"\n--b--\n"
    message = parse(broken + file)
    assert message.text == "Ahoj\n--bx"
    assert message.attachments == ()
    assert "too-large-to-repair" in message.defects


CORPUS = sorted((Path(__file__).parents[3] / "shared" / "corpus").rglob("*.eml"))
BOTH = sorted(FIXTURES.glob("*.eml")) + CORPUS


def shape(part: structure.Part) -> list[tuple[str, str, bytes]]:
    """Type, name and content of each leaf, line ends aside (the library writes nested mails anew)."""
    return [
        (leaf.content_type, leaf.filename, b"" if leaf.nested else b"\n".join(leaf.load().split()))
        for leaf in content.leaves(part)
    ]


# A part header with a torn line: the fast reader goes on with the header, the patient one takes the rest for text.
REPAIRED_DIFFERENTLY = {"lhost-office365-08"}


@pytest.mark.parametrize(
    "file", [file for file in BOTH if file.stem not in REPAIRED_DIFFERENTLY], ids=lambda file: file.stem
)
def test_both_readers_see_the_same_mail(file: Path) -> None:
    raw = file.read_bytes()
    block = read(raw)
    readable, block = parsing._readable(raw, block)
    fast = structure.read_fast(readable, block)
    if fast is not None and (b"\n" in raw or b"\r" not in raw):
        assert shape(fast) == shape(patient.read(readable, block))


TORN = "Content-Type: multipart/mixed; boundary=b\n\n--bx\n{}--b\n\nAhoj\n--b\nContent-Type: a/b\n\nx\n--b--\nepilog"


@pytest.mark.parametrize(
    ("lines", "leaves"),
    [
        ("", ["Ahoj", "x"]),
        ("--b\n", ["Ahoj", "x"]),
        ("--b\n\n", ["", "Ahoj", "x"]),
        ("--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\nd\n", ["d", "Ahoj", "x"]),
        ("--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\nd\n--c--\nepilog\n", ["d", "Ahoj", "x"]),
        ("--b\nContent-Type: multipart/x; boundary=c\n\nd\n--e\n", ["d\n--e\n", "Ahoj", "x"]),
        ("--b\nContent-Type: multipart/x; boundary=b\n\n", ["", "Ahoj", "x"]),
        ("--b\nContent-Type: multipart/x\n\n--c\nd\n", ["--c\nd", "Ahoj", "x"]),
        ("--b \t\nContent-Type: message/rfc822\n\nTo: a@b.cz\n\n--c\n", ["To: a@b.cz\n\n--c", "Ahoj", "x"]),
        ("--b\nContent-Type: a/b\n", ["", "Ahoj", "x"]),
        ("--b\nnot a header\n", ["not a header", "Ahoj", "x"]),
    ],
)
def test_a_torn_mail_has_the_parts_that_its_boundaries_mark(lines: str, leaves: list[str]) -> None:
    raw = TORN.format(lines).encode()
    tree = patient.read(raw, read(raw))
    assert structure.read_fast(raw, read(raw)) is None
    assert [leaf.load().decode() for leaf in content.leaves(tree)] == leaves


@pytest.mark.skipif(not CORPUS, reason="the corpus stands beside the repository, if at all")
def test_every_mail_of_the_corpus_is_read_without_a_limit() -> None:
    messages = [parse(file.read_bytes()) for file in CORPUS]
    assert [message.limits for message in messages if message.limits] == []
    assert sum(bool(message.text) for message in messages) > 0.9 * len(messages)


MAILISH = st.lists(
    st.sampled_from(
        [
            b"\r\n", b"\n", b"\r", b"--b", b"--", b":", b";", b"=", b'"', b"(", b"<", b"=?utf-8?b?", b"?=", b"\x00", b"\xff",
            b"Content-Type: ", b"multipart/mixed; boundary=b", b"text/html", b"message/rfc822", b"From: ", b"a@b.cz",
            b"Content-Transfer-Encoding: base64", b"filename*0*=", b"Date: ", b"x",
        ]
    )
).map(b"".join)  # fmt: skip


@given(MAILISH | st.binary(max_size=500))
@example(b"From: =?punycode?b?eHh4?= <a@b>\n\n")
@example(b"Content-Type: text/plain; charset=\xff\n\n\xff")
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    message = parse(raw)
    assert "limit-reader" not in message.limits
    assert all(isinstance(attachment.content, bytes) for attachment in message.attachments)
    message.text.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= b =?iso-8859-2?q?=B9?=", "a b š"),
        ("=?UTF-8*cs?Q?=C5=A1?=", "š"),
        ("=?utf-8?b?xaE?=", "š"),
        ("=?x-foo?q?=9A?=", "š"),
        ("=?rot13?q?nubw?=", "nubw"),
        ("=?utf-7?q?+AGE-?=", "+AGE-"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("a\tb", "a b"),
    ],
)
def test_encoded_words_are_decoded(value: str, text: str) -> None:
    assert decode(value) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/plain", ("text/plain", {})),
        ("Text/Plain (x); Charset=UTF-8", ("text/plain", {"charset": "UTF-8"})),
        ('a/b; name="x \\"y\\"; z"', ("a/b", {"name": 'x "y"; z'})),
        ("a/b; name=two words.pdf; x=1", ("a/b", {"name": "two words.pdf", "x": "1"})),
        ("a/b; name*=utf-8'cs'%C5%99; name=r", ("a/b", {"name": "ř"})),
        ("a/b; name*1=b; name*0=a", ("a/b", {"name": "ab"})),
        ('a/b; name="torn', ("a/b", {"name": "torn"})),
        ("a/b; x", ("a/b", {})),
    ],
)
def test_parameters_are_read(value: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parameters(value) == expected


def test_headers_keep_their_order_and_lose_their_folds() -> None:
    assert split(b"B: 1\r\n\t2\r\nA : 3\r\nB:\r\n 4\r\n\r\nC: 5").fields == (("b", "1 2"), ("a", "3"), ("b", "4"))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/cron.d/x", "x"),
        ("..\\..\\x", "x"),
        ("\u200b.htaccess", ".htaccess"),
        ("a\0.pdf", "a.pdf"),
        ("..\uff0fx", "x"),
        ("..", "attachment-1.pdf"),
        ("", "attachment-1.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
    ],
)
def test_a_file_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name, "application/pdf") == safe


@given(st.text())
def test_a_file_name_has_a_reasonable_length_and_no_path(name: str) -> None:
    safe = safe_name(name * 300, "application/pdf")
    assert 1 <= len(safe) <= 255
    assert not set(safe) & set("/\\\0\n")


def test_a_long_file_name_keeps_its_extension() -> None:
    assert safe_name("a" * 4000 + ".pdf", "application/pdf") == "a" * 251 + ".pdf"


class Breaking:
    """Stands where a reader should: whatever it is asked, it fails as told."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def __call__(self) -> bytes:
        raise self.fault


@pytest.mark.parametrize(
    ("fault", "limit"),
    [(RecursionError(), "limit-depth"), (MemoryError(), "limit-memory"), (ValueError(), "limit-reader")],
)
def test_a_reader_that_fails_leaves_a_message_to_set_aside(fault: Exception, limit: str) -> None:
    part = structure.Part(load=Breaking(fault))
    raw = b"Subject: x\n\n"
    message = parsing.assembled(raw, read(raw), lambda: (part, ()))
    assert (message.subject, message.limits) == ("x", (limit,))
