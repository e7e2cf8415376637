"""Rule 0: our own notices come back from nowhere."""

from __future__ import annotations

import pytest

from crmservice.mail import own_notice
from crmservice.testing.builders import Office, eml

KEY = b"secret of this home"


def notice(key: bytes = KEY, claimed: str = "n1@firma.cz", real: str = "n1@firma.cz") -> bytes:
    return eml(
        message_id=real, headers=[own_notice.header(claimed, key)], subject="New task: nic", sender="sef@firma.cz"
    )


def test_a_notice_of_ours_is_left_alone() -> None:
    decision = Office(notice_key=KEY).receive(notice())
    assert decision.log == ("OWN NOTICE", "DELETED")
    assert decision.intents == ()


@pytest.mark.parametrize(
    "raw",
    [notice(key=b"guess"), notice(claimed="other@firma.cz"), eml(headers=[("X-CRMService", "")]), notice(key=b"")],
)
def test_only_our_own_key_for_this_very_message_id_counts(raw: bytes) -> None:
    assert Office(notice_key=KEY).receive(raw).log[-1] == "PROCESSED"


def test_without_a_key_nothing_is_our_notice() -> None:
    assert Office().receive(notice(key=b"")).log[-1] == "PROCESSED"
