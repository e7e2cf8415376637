"""What still lies in each mailbox, against the inbox (SPEC 13.1): listed without reading, nothing is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from crmservice.config import Box
from crmservice.errors import CrmServiceError
from crmservice.sources import Listing, Source
from crmservice.store import inbox
from crmservice.store.ledger import Difference
from crmservice.words import Words

MOST_REMEMBERED = 1000
"""Ids of waiting mail that one look leaves to the next: a backlog is not old mail."""


@dataclass
class AtSource:
    """One look at the mailboxes. ``before``: what waited at the look before, as ``waiting`` says it.

    ``waiting``: ``box source`` -> ids that no row has. ``away``: mailboxes that could not be listed, and why.
    """

    before: Mapping[str, Collection[str]] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    away: list[tuple[str, Words]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def look(self, box: Box, sources: Iterable[Source]) -> None:
        """List a box's mailboxes. A folder is none: its file names come again for other mail."""
        for source in sources:
            try:
                if source.remote and isinstance(source, Listing):
                    self._compare(box.name, source.name, source)
            except CrmServiceError as fault:
                self.away.append((f"{box.name} {source.name}", fault.words))
            finally:
                source.close()

    def _compare(self, box: str, name: str, source: Listing) -> None:
        place, present = f"{box} {name}", set(source.present())
        known = inbox.deletions(box, name, present)
        there_again = {one for one, gone in known.items() if gone}
        if there_again:
            there_again &= set(source.present())  # what the service deleted while this looked
        for one in sorted(there_again):
            what = Words("{id}: its deletion was confirmed, and it is still there", id=one)
            self.differences.append(Difference("server-kept", place, what))
        waiting = sorted(present - known.keys())
        for one in sorted(set(waiting) & set(self.before.get(place, ()))):
            what = Words("{id}: lies there since the last look, and never arrived here", id=one)
            self.differences.append(Difference("server-waiting", place, what))
        self.waiting[place] = waiting[:MOST_REMEMBERED]
