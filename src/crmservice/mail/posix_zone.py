"""A time zone by a POSIX rule that remembers the changes of each year."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dateutil.tz import tzstr


class PosixZone(tzstr):
    """As ``tzstr``, which reckons both changes of a year again for each time: 95,000 EXDATEs of 1 MB took 2.2 s."""

    def __init__(self, *rule: Any) -> None:
        """``rule``: as ``timezones.posix_rule`` writes it. Raises ValueError for another text."""
        super().__init__(*rule)  # the library's factory adds an argument of its own
        self._years: dict[int, tuple[datetime, datetime]] = {}

    def transitions(self, year: int) -> tuple[datetime, datetime]:
        """The local times at which daylight saving begins and ends; in a fixed zone what the library has for none."""
        if year not in self._years:
            self._years[year] = super().transitions(year)
        return self._years[year]
