from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.forwarded import addresses, original
from crmservice.mail.keywords import DEFAULT
from crmservice.mail.message import Address, Bounce, Message
from crmservice.mail.parsing import parse
from crmservice.mail.quoted_dates import read_date
from crmservice.mail.quoted_headers import Blocks
from tests.mail.clock import assert_linear

REPLIES = Path(__file__).parent / "fixtures" / "replies"
FORWARDS: dict[str, dict[str, Any]] = json.loads((REPLIES / "forwards.json").read_text(encoding="utf-8"))
PRAGUE = ZoneInfo("Europe/Prague")
BLOCK = "Od: Jan <jan@x.cz>\nOdesláno: 2. 3. 2026 10:00\nKomu: eva@y.cz\nPředmět: Věc\n\ntext"


def mail(text: str = BLOCK, subject: str = "Fwd: Věc", **fields: Any) -> Message:
    return Message(b"", subject=subject, text=text, **fields)


@pytest.mark.parametrize("name", [name for name, expected in FORWARDS.items() if "nested" not in expected])
def test_the_quoted_original_of_each_client_is_read(name: str) -> None:
    expected = FORWARDS[name]
    found = original(parse((REPLIES / f"{name}.eml").read_bytes()), DEFAULT, PRAGUE)
    assert found is not None
    assert found.raw is None
    assert found.sender == Address(expected["sender"], expected["name"])
    assert list(found.recipients) == expected["recipients"]
    assert found.subject == expected["subject"]
    assert found.sent == datetime.fromisoformat(expected["sent"])
    assert found.text.startswith(expected["begins"])
    assert found.text.rstrip().endswith(("601 234 567",))


@pytest.mark.parametrize("name", [name for name, expected in FORWARDS.items() if "nested" in expected])
def test_the_nested_original_is_handed_over_as_it_is(name: str) -> None:
    found = original(parse((REPLIES / f"{name}.eml").read_bytes()), DEFAULT)
    assert found is not None
    assert found.raw is not None
    assert parse(found.raw).message_id == FORWARDS[name]["nested"]


@pytest.mark.parametrize("name", sorted(path.stem for path in REPLIES.glob("*.eml") if path.stem not in FORWARDS))
def test_a_reply_has_no_forwarded_original(name: str) -> None:
    assert original(parse((REPLIES / f"{name}.eml").read_bytes()), DEFAULT) is None


def test_a_nested_mail_goes_before_a_quoted_block() -> None:
    found = original(mail(nested=(b"From: a@b.cz\n\nx",)), DEFAULT)
    assert found is not None
    assert found.raw == b"From: a@b.cz\n\nx"


def test_of_several_nested_mails_none_is_the_original() -> None:
    assert original(mail(nested=(b"a", b"b")), DEFAULT) is None


@pytest.mark.parametrize("subject", ["Re: Věc", "Re: Fwd: Věc", "Věc"])
def test_only_a_forwarded_mail_has_an_original(subject: str) -> None:
    assert original(mail(subject=subject, nested=(b"a",)), DEFAULT) is None


def test_a_bounce_is_no_forwarded_mail() -> None:
    assert original(mail(bounce=Bounce((), (), permanent=True, source="rfc3464")), DEFAULT) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jen tak",
        "Od: Jan\nOdesláno: dnes\nKomu: eva@y.cz\n\ntext",
        "From: a@b.cz\n\ntext",
        "Komu: a@b.cz\nPředmět: x\nDatum: y",
    ],
)
def test_without_a_whole_block_with_an_address_there_is_none(text: str) -> None:
    assert original(mail(text), DEFAULT) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Jan Novák <jan@x.cz>", [("jan@x.cz", "Jan Novák")]),
        ("Jan <Jan@X.CZ>; Eva <eva@y.cz>", [("jan@x.cz", "Jan"), ("eva@y.cz", "Eva")]),
        ('"Novák, Jan" <jan@x.cz>, eva@y.cz', [("jan@x.cz", "Novák, Jan"), ("eva@y.cz", "")]),
        ("Jan [mailto:jan@x.cz]", [("jan@x.cz", "Jan")]),
        ("jan@x.cz<mailto:jan@x.cz>", [("jan@x.cz", "")]),
        ("Jan <mailto:jan@x.cz>", [("jan@x.cz", "Jan")]),
        ("Petr; Jan <jan@x.cz>", [("jan@x.cz", "Jan")]),
        ("Jan Novák", []),
        ("@", []),
    ],
)
def test_mailboxes_are_read_as_clients_write_them(value: str, expected: list[tuple[str, str]]) -> None:
    assert [tuple(address) for address in addresses(value)] == expected


MARCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "pondělí 2. března 2026 10:00", "Monday, March 2, 2026 10:00 AM", "Monday, 2 March 2026 10:00", "po 2. 3. 2026 v 10:00",
        "Mon, Mar 2, 2026 at 10:00\u202fAM", "2. 3. 2026 10:00:00", "Mon, 2 Mar 2026 10:00:00 +0100", "3/2/2026 10:00 AM",
        "Mon, 2 Mar 2026 10:00:00 +0100 (CET)", "2. března 2026 v 10:00:00 SEČ", "2 March 2026 at 10:00:00 CET",
        "March 2, 2026 at 10:00:00 AM GMT+1", "02/03/2026 10:00", "02.03.2026 10:00", "2026-03-02 10:00", "2. 3. 2026, 9:00 GMT",
        "Montag, 2. März 2026 10:00",
    ],
)  # fmt: skip
def test_dates_are_read_as_clients_write_them(text: str) -> None:
    assert read_date(text, PRAGUE) == MARCH


def test_summer_time_is_that_of_the_date() -> None:
    assert read_date("út 14. července 2026 v 9:05", PRAGUE) == datetime(2026, 7, 14, 7, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "včera",
        "10:00",
        "2. března",
        "březen 2026",
        "2. 3. 1066 10:00",
        "31. 2. 2026 10:00",
        "2. 3. 2026 10:00 GMT+99",
        "9" * 79,
    ],
)
def test_a_date_that_says_too_little_is_none(text: str) -> None:
    assert read_date(text, PRAGUE) is None


@given(st.text(max_size=100) | st.text(alphabet="0123456789.:/- +aAmMpPTZ", max_size=40))
def test_reading_a_date_is_total(text: str) -> None:
    read = read_date(text, PRAGUE)
    assert read is None or read.tzinfo is UTC


def test_wrapped_recipients_belong_to_their_line() -> None:
    block = Blocks(
        ["From: a@b.cz", "To: c@d.cz,", " e@f.cz,", "g@h.cz", "Cc: i@j.cz;", "k@l.cz", "Subject: x", "", "text"]
    ).at(0)
    assert block is not None
    assert [a.email for a in addresses(block.fields["to"])] == ["c@d.cz", "e@f.cz", "g@h.cz"]
    assert [a.email for a in addresses(block.fields["cc"])] == ["i@j.cz", "k@l.cz"]
    assert block.end == 7


def test_bold_header_lines_are_header_lines() -> None:
    block = Blocks(["*From:* Jan <jan@x.cz>", "*Sent:* Monday", "*To:* eva@y.cz", "*Subject:* Věc"]).at(0)
    assert block is not None
    assert block.fields["subject"] == "Věc"


@given(st.text())
def test_looking_for_an_original_is_total(text: str) -> None:
    assert original(mail(text), DEFAULT) is None or "@" in text


@pytest.mark.parametrize(
    "unit",
    [
        "From: a@b.cz\nTo: c\n",
        "To: a,\n",
        "a@",
        "a@b.",
        "From: a@b.cz\n\n",
        "From: a@b.cz\nTo: " + "x@y.cz," * 9,
        "Utajení:\nx\n",
        "An:\nx\nDe:\nx\n",
    ],
)
def test_a_hostile_text_takes_linear_time(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = unit * (size // len(unit))
        message = mail(text)
        return lambda: (original(message, DEFAULT), addresses(text))

    assert_linear(work, 500_000, bound=1)
