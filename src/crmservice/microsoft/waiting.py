"""How long a server asks to be left alone (``Retry-After``, RFC 9110 section 10.2.3)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 24 * 3600.0
"""Longer is not believed: a mistyped date must not stop a mailbox for a year."""


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, rounded up, never negative; None where the answer does not say.

    A date is taken against the answer's own ``Date``: the two clocks need not agree. ``headers`` finds names in any case.
    """
    said = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", said):
        return float(math.ceil(min(float(said), LONGEST)))
    until = _date(said)
    if until is None:
        return None
    since = _date(headers.get("Date", "")) or now or datetime.now(UTC)
    return min(max(0.0, math.ceil((until - since).total_seconds())), LONGEST)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
