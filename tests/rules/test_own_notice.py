"""Rule 0: our own notices come back from nowhere."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from crmservice.crm.records import CanaryReturned
from crmservice.mail import own_notice
from crmservice.testing.builders import NOON, Office, eml

KEY = b"secret of this home"


def notice(*, key: bytes = KEY, seal_of: bytes = b"", **facts: str) -> bytes:
    """A notice of ours; ``seal_of`` another mail, whose seal it carries."""
    raw = eml(**({"subject": "New task: nic", "sender": "crm@firma.cz", "message_id": "n1@firma.cz"} | facts))  # type: ignore[arg-type]
    return (
        (own_notice.sealed(seal_of, key).partition(b"\r\n")[0] + b"\r\n" + raw)
        if seal_of
        else own_notice.sealed(raw, key)
    )


def test_a_notice_of_ours_is_left_alone() -> None:
    decision = Office(notice_key=KEY).receive(notice())
    assert decision.log == ("OWN NOTICE", "DELETED")
    assert decision.intents == ()


def test_a_gateway_may_write_into_subject_and_body() -> None:
    changed = notice().replace(b"New task", b"[EXTERNAL] New task").replace(b"Dobr", b"Beware!\r\nDobr")
    assert Office(notice_key=KEY).receive(changed).log == ("OWN NOTICE", "DELETED")


PLAIN = eml(subject="New task: nic", sender="crm@firma.cz", message_id="n1@firma.cz")


@pytest.mark.parametrize(
    "raw",
    [
        notice(key=b"guess"),
        notice(seal_of=PLAIN, message_id="other@firma.cz"),
        notice(seal_of=PLAIN, sender="eve@evil.example"),
        notice(seal_of=PLAIN, date="Mon, 02 Mar 2026 11:59:59 +0100"),
        eml(headers=[("X-CRMService", "")]),
    ],
    ids=["key", "message-id", "sender", "date", "empty"],
)
def test_only_our_own_key_for_this_message_id_date_and_sender_counts(raw: bytes) -> None:
    assert "OWN NOTICE" not in Office(notice_key=KEY).receive(raw).log


def test_without_a_key_nothing_is_our_notice() -> None:
    assert "OWN NOTICE" not in Office().receive(notice()).log


@pytest.mark.parametrize(("days", "ours"), [(29, True), (31, False), (-1, True)])
def test_a_seal_is_believed_for_thirty_days(days: int, ours: bool) -> None:
    raw = notice(date=format_datetime(NOON - timedelta(days=days)))
    assert ("OWN NOTICE" in Office(notice_key=KEY).receive(raw).log) is ours


def test_a_canary_that_comes_back_is_written_down() -> None:
    decision = Office(notice_key=KEY).receive(notice(message_id="canary.0a1b@firma.cz"))
    assert decision.log == ("OWN NOTICE", "DELETED")
    assert decision.intents == (CanaryReturned("0a1b"),)


def test_a_strangers_canary_is_none() -> None:
    decision = Office(notice_key=KEY).receive(notice(key=b"guess", message_id="canary.0a1b@firma.cz"))
    assert CanaryReturned("0a1b") not in decision.intents


def test_what_lacks_a_date_can_not_be_sealed() -> None:
    with pytest.raises(ValueError, match="Date"):
        own_notice.sealed(eml(date=None), KEY)
