"""Dates as mail clients write them above quoted history: ``pondělí 2. března 2026 10:00``.

``dateutil`` reads them once Czech (and German) words are English ones.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from crmservice.mail.text import fold

MAX_DATE = 80
"""A longer text is no date."""

# Folded words and what dateutil knows instead; words that say nothing it needs become empty.
_MONTHS = {
    "jan": "ledna leden januar", "feb": "unora unor februar", "mar": "brezna brezen marz", "apr": "dubna duben",
    "may": "kvetna kveten mai", "jun": "cervna cerven juni", "jul": "cervence cervenec juli", "aug": "srpna srpen",
    "sep": "zari", "oct": "rijna rijen oktober", "nov": "listopadu listopad", "dec": "prosince prosinec dezember",
}  # fmt: skip
_SILENT = (
    "v ve dne hod h um uhr po ut st ct pa so ne pondeli utery streda stredu ctvrtek patek sobota sobotu nedele nedeli "
    "mo di mi do fr sa montag dienstag mittwoch donnerstag freitag samstag sonntag"
)
_ENGLISH = {word: name for name, words in _MONTHS.items() for word in words.split()} | dict.fromkeys(
    _SILENT.split(), ""
)
_WORD = re.compile(r"[^\W\d_]+")

# Zones as Czech and German clients name them, and "GMT+1", which dateutil reads the POSIX way round.
_NAMED = {"gmt": 0, "utc": 0, "cet": 1, "sec": 1, "mez": 1, "cest": 2, "selc": 2, "mesz": 2}
_ZONE = re.compile(r"\(?(?:(?:gmt|utc) ?([+-])(\d{1,2})(?::?(\d\d))?|(gmt|utc|cet|sec|mez|cest|selc|mesz))\)?$")
_COMMENT_BEHIND_OFFSET = re.compile(r"(?<=[+-]\d{4}) \([^()]*\)$")


def read_date(value: str, zone: tzinfo) -> datetime | None:
    """A date as a client shows it, as aware UTC; None where it can't be read whole or its year is impossible.

    Day before month unless the month is a word, or the form is American (slashes with AM or PM) or ISO 8601;
    ``zone`` where none is named.
    """
    words = _ZONE.sub(_offset, _COMMENT_BEHIND_OFFSET.sub("", fold(value[:MAX_DATE])))
    words = _WORD.sub(lambda match: _ENGLISH.get(match[0], match[0]), words)
    american = "/" in words and re.search(r"\b[ap]m\b", words) is not None
    first, second = (_parsed(words, zone, not american and words[4:5] != "-", default) for default in _DEFAULTS)
    return first if first is not None and first == second and 1990 <= first.year <= 2100 else None


# What a text leaves out is taken from a default: two of them show that it leaves out no part of the date.
_DEFAULTS = (datetime(2000, 1, 1), datetime(2001, 2, 2))  # noqa: DTZ001 -- a zone here would be taken for the text's


def _parsed(words: str, zone: tzinfo, day_first: bool, default: datetime) -> datetime | None:
    from dateutil import parser  # of no use to a mail that quotes none

    try:
        read = parser.parse(words, dayfirst=day_first, default=default)
        return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError):
        return None


def _offset(match: re.Match[str]) -> str:
    if match[4]:
        return f"+{_NAMED[match[4]]:02d}00"
    return f"{match[1]}{int(match[2]):02d}{match[3] or '00'}"
