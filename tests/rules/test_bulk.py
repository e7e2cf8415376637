"""Rule 6c: junk, newsletters and strangers on lists of their own."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import MarkAddress
from crmservice.testing.builders import company, decided, eml, of, report

BULK = ("BULK", "DELETED")
UNKNOWN = ("UNKNOWN SENDER", "DELETED")


@pytest.mark.parametrize(
    "header",
    [
        ("X-Spam-Flag", "YES"), ("X-MS-Exchange-Organization-SCL", "9"), ("List-Id", "Novinky <n.acme.cz>"),
        ("Precedence", "bulk"), ("precedence", "Bulk"),
    ],
)  # fmt: skip
def test_bulk_mail_goes_to_its_list_where_the_box_says_so(header: tuple[str, str]) -> None:
    raw = eml(headers=[header])
    decision = decided(raw, bulk_mail="list")
    assert decision.log == BULK
    assert decision.intents == ()
    assert decided(raw).log == ("PROCESSED",)


@pytest.mark.parametrize(
    "header", [("X-Spam-Flag", "NO"), ("X-MS-Exchange-Organization-SCL", "1"), ("Precedence", "normal")]
)
def test_ordinary_headers_say_nothing(header: tuple[str, str]) -> None:
    assert decided(eml(headers=[header]), bulk_mail="list").log == ("PROCESSED",)


def test_a_bounce_is_no_bulk_mail() -> None:
    raw = b"Precedence: bulk\r\n" + report("bob@beta.example")
    decision = decided(raw, bulk_mail="list", only_known_senders=True)
    assert decision.log == ("PROCESSED",)
    assert len(of(decision, MarkAddress)) == 1


@pytest.mark.parametrize("sender", ["cizi@jinde.example", "nova@acme.cz"])
def test_a_sender_in_no_address_book_goes_to_a_list(sender: str) -> None:
    assert decided(eml(sender=sender), only_known_senders=True).log == UNKNOWN
    assert decided(eml(sender=sender)).log == ("PROCESSED",)


@pytest.mark.parametrize(
    "sender", ["jana@acme.cz", "info@acme.cz", "solo@nikde.example", "sef@firma.cz", "externi@partner.example"]
)
def test_contacts_accounts_and_users_are_known(sender: str) -> None:
    assert decided(eml(sender=sender), only_known_senders=True).log == ("PROCESSED",)


def test_behind_a_web_form_the_one_who_filled_it_in_counts() -> None:
    raw = eml(sender="formular@web.example", reply_to="jana@acme.cz")
    fields: dict[str, Any] = {"only_known_senders": True, "reply_to_from": frozenset({"formular@web.example"})}
    assert decided(raw, **fields).log == ("PROCESSED",)
    assert decided(raw, only_known_senders=True).log == UNKNOWN
    stranger = eml(sender="formular@web.example", reply_to="cizi@jinde.example")
    form_known = company(contacts=[{"name": "Web", "emails": ["formular@web.example"]}])
    assert decided(stranger, form_known, **fields).log == UNKNOWN
