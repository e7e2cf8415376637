from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.addresses import mailboxes, strict_sender
from crmservice.mail.message import Address, Headers


def from_header(*values: str) -> Headers:
    return Headers(tuple(("from", value) for value in values))


@pytest.mark.parametrize(
    ("value", "email", "name"),
    [
        ("Jana@ACME.cz", "jana@acme.cz", ""),
        ("Jana <jana@acme.cz>", "jana@acme.cz", "Jana"),
        (" < jana@acme.cz > ", "jana@acme.cz", ""),
        ("J. R. Novák <jana@acme.cz>", "jana@acme.cz", "J. R. Novák"),
        ('"Nováková, Jana" <jana@acme.cz>', "jana@acme.cz", "Nováková, Jana"),
        ('"Jana \\"J\\" N" <jana@acme.cz>', "jana@acme.cz", 'Jana "J" N'),
        ("=?utf-8?q?Nov=C3=A1kov=C3=A1=2C_Jana?= <jana@acme.cz>", "jana@acme.cz", "Nováková, Jana"),
        ("jana@acme.cz <jana@acme.cz>", "jana@acme.cz", "jana@acme.cz"),
        ("Jiří@Žluť.cz <jiří@žluť.cz>", "jiří@žluť.cz", "Jiří@Žluť.cz"),
        ("\"'Jana@ACME.cz'\" <jana@acme.cz>", "jana@acme.cz", "'Jana@ACME.cz'"),
        ("jana@acme.cz (Jana (z Prahy \\) ))", "jana@acme.cz", "Jana (z Prahy ) )"),
        ('"jana n"@acme.cz', '"jana n"@acme.cz', ""),
        ("jana@[192.0.2.1]", "jana@[192.0.2.1]", ""),
        ("jiří@žluť.cz", "jiří@žluť.cz", ""),
        ("boss@f\u0456rma.cz", "boss@f\u0456rma.cz", ""),
    ],
)
def test_one_mailbox_is_the_sender(value: str, email: str, name: str) -> None:
    sender = strict_sender(from_header(value))
    assert (sender.address, sender.problem, sender.marked) == (Address(email, name), "", False)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "from-missing"),
        ("<>", "from-syntax"),
        ("nobody", "from-syntax"),
        ("Jana <jana@acme.cz", "from-syntax"),
        ('"Jana <jana@acme.cz>', "from-syntax"),
        ("(Jana <jana@acme.cz>", "from-syntax"),
        ("(a\\", "from-syntax"),
        ("Jana <jana@acme.cz> boss", "from-syntax"),
        ("jana@@acme.cz", "from-syntax"),
        ("jana@acme..cz", "from-syntax"),
        (".jana@acme.cz", "from-syntax"),
        ("jana@acme_.cz.", "from-syntax"),
        ('"\x07"@acme.cz', "from-syntax"),
        ("<@relay.cz:jana@acme.cz>", "from-syntax"),
        ("Tým: jana@acme.cz;", "from-syntax"),
        ("[Tým] <jana@acme.cz>", "from-syntax"),
        ("a\\b <jana@acme.cz>", "from-syntax"),
        ("boss@firma.cz\u200b", "from-syntax"),
        ("boss@fir\u202ema.cz", "from-syntax"),
        ("alice@example.org)bob@firma.cz", "from-syntax"),
        ("jana@acme.cz, eve@evil.test", "from-mailboxes"),
        ("<jana@acme.cz>, <eve@evil.test>", "from-mailboxes"),
        ("Jana <jana@acme.cz>, Eve <eve@evil.test>", "from-mailboxes"),
        ("Novák, Jan <novak@firma.cz>", "from-mailboxes"),
        ("boss@firma.cz <eve@evil.test>", "from-name-address"),
        ("boss\uff20firma.cz <eve@evil.test>", "from-name-address"),
        ("Sef boss@firma.cz <eve@evil.test>", "from-name-address"),
        ("=?utf-8?q?boss=40firma.cz?= <eve@evil.test>", "from-name-address"),
        ("=?utf-8?q?=22boss=40firma.cz=22?= <eve@evil.test>", "from-name-address"),
        ("boss@firma.com <boss@fírma.com>", "from-name-address"),
        ("boss@firma.cz <boss@\ufb01rma.cz>", "from-name-address"),
        ("=?utf-8?q?boss=40firma.cz?= <boss@fírma.cz>", "from-name-address"),
        ("boss@f\u0131rma.cz <boss@firma.cz>", "from-name-address"),
        ("bo\u200bss@firma.cz <boss@firma.cz>", "from-name-address"),
        ("boss@fírma.cz (boss@firma.cz)", "from-name-address"),
        ("eve@evil.test (boss@firma.cz)", "from-name-address"),
        ("Eve (boss@firma.cz) <eve@evil.test>", "from-name-address"),
        ("Eve <eve@evil.test> (boss@firma.cz)", "from-name-address"),
    ],
)
def test_anything_else_is_unusable(value: str, problem: str) -> None:
    sender = strict_sender(from_header(value))
    assert (sender.address, sender.problem) == (None, problem)


def test_two_from_headers_are_unusable() -> None:
    sender = strict_sender(from_header("boss@firma.cz", "eve@evil.test"))
    assert (sender.address, sender.problem, sender.raw) == (None, "from-several", "boss@firma.cz, eve@evil.test")


@pytest.mark.parametrize(
    "value",
    [
        '"boss@firma.cz" <eve@evil.test>',
        '"=?utf-8?q?boss=40firma.cz?=" <eve@evil.test>',
        'b"oss@fir"ma.cz <eve@evil.test>',
    ],
)
def test_a_quoted_address_in_the_name_is_usable_and_marked(value: str) -> None:
    sender = strict_sender(from_header(value))
    assert sender.address is not None
    assert (sender.address.email, sender.marked) == ("eve@evil.test", True)


@pytest.mark.parametrize("domain", ["fírma.com", "\ufb01rma.com"])
def test_a_quoted_address_that_differs_by_a_diacritic_or_a_ligature_is_another(domain: str) -> None:
    sender = strict_sender(from_header(f'"boss@firma.com" <boss@{domain}>'))
    assert sender.address is not None
    assert (sender.address.email, sender.marked) == (f"boss@{domain}", True)


def test_the_raw_header_is_one_safe_line() -> None:
    assert strict_sender(from_header("a\x1b@b")).raw == "a\ufffd@b"


@pytest.mark.parametrize(
    ("value", "emails"),
    [
        ("a@b.cz", ["a@b.cz"]),
        ("A <a@b.cz>, c@d.cz", ["a@b.cz", "c@d.cz"]),
        ('"Novák, Jan" <A@B.cz>; c@d.cz (x, y)', ["a@b.cz", "c@d.cz"]),
        ("Tým: a@b.cz, C <c@d.cz>;, e@f.cz", ["a@b.cz", "c@d.cz", "e@f.cz"]),
        ("undisclosed-recipients:;", []),
        ("<@r.cz,@s.cz:a@b.cz>", ["a@b.cz"]),
        ("Jan Novak a@b.cz", ["a@b.cz"]),
        ("a@b.cz, nonsense, <>, @, c@, @d, e@f\u200b.cz, g@h.cz", ["a@b.cz", "g@h.cz"]),
        ("Jan <a@b.cz", ["a@b.cz"]),
        ('"torn, a@b.cz', []),
        ("((((a@b.cz", []),
        ("", []),
    ],
)
def test_recipients_are_read_with_patience(value: str, emails: list[str]) -> None:
    assert [address.email for address in mailboxes(value)] == emails


def test_a_recipient_keeps_its_decoded_name() -> None:
    assert mailboxes("=?utf-8?q?Ji=C5=99=C3=AD?= <j@x.cz>, (Petr) p@x.cz, p@x.cz (Petr)")[0] == Address(
        "j@x.cz", "Jiří"
    )


@pytest.mark.parametrize("separator", [", ", "; "])
def test_a_list_is_cut_at_its_limit(separator: str) -> None:
    assert len(mailboxes(separator.join(["a@b.cz"] * 5000))) == 1000


ADDRESSY = st.text(alphabet='ab@.,;:<>()[]"\\ =?_\u200bř\uff20', max_size=60)


@given(ADDRESSY)
def test_no_text_breaks_the_readers_of_addresses(value: str) -> None:
    sender = strict_sender(from_header(value))
    assert (sender.address is None) == bool(sender.problem)
    assert all("@" in address.email for address in mailboxes(value))


LOCAL = st.text(alphabet="abc-+_1", min_size=1, max_size=8)
DOMAIN = st.text(alphabet="abc1", min_size=1, max_size=8)


@given(LOCAL, DOMAIN, st.text(alphabet="abř,;<>@. ", max_size=15))
def test_a_quoted_name_never_changes_the_mailbox(local: str, domain: str, name: str) -> None:
    sender = strict_sender(from_header(f'"{name}" <{local}@{domain}.cz>'))
    assert sender.address is not None
    assert sender.address.email == f"{local}@{domain}.cz"
