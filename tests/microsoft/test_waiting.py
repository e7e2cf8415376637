from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crmservice.microsoft.waiting import LONGEST, retry_after

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        ("1.2", 2),
        ("0", 0),
        ("Wed, 25 Nov 2026 12:02:00 GMT", 120),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0),
        ("999999999", LONGEST),
        ("9" * 400, LONGEST),
        ("Wed, 25 Nov 2099 12:02:00 GMT", LONGEST),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("١٢", None),
    ],
)
def test_seconds_or_a_date_say_how_long_to_wait(said: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": said} if said else {}, NOW) == seconds


def test_a_date_is_taken_against_the_clock_that_wrote_it() -> None:
    ten_minutes_behind = {"Retry-After": "Wed, 25 Nov 2026 11:51:00 GMT", "Date": "Wed, 25 Nov 2026 11:50:00 GMT"}
    assert retry_after(ten_minutes_behind, NOW) == 60
