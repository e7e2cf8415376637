"""Mail on a shelf: a source in memory that keeps SourceContract, and can be made to fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crmservice.sources import BATCH, Fetched, Known, SourceError, header_of
from crmservice.words import Words

Shelf = dict[str, bytes]


class ShelfSource:
    """A session on a shelf. ``breaks_after``: a SourceError instead of the message after so many."""

    name = "shelf"
    remote = False

    def __init__(self, shelf: Shelf, *, breaks_after: int | None = None, keeps: frozenset[str] = frozenset()) -> None:
        self.shelf = shelf
        self.faults: list[Words] = []
        self.asked: list[str] = []
        self._breaks_after = breaks_after
        self._keeps = keeps
        self._offered: set[str] = set()

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        waiting = [name for name in sorted(self.shelf) if name not in self._offered and not known(name)]
        for name in waiting[:batch]:
            if len(self._offered) == self._breaks_after:
                msg = "the line is dead"
                raise SourceError(msg)
            self._offered.add(name)
            data = self.shelf[name]
            oversize = len(data) > limit_bytes
            yield Fetched(name, header_of(data) if oversize else data, oversize, len(data))

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        self.asked += source_ids
        gone = [name for name in source_ids if name not in self._keeps]
        for name in gone:
            del self.shelf[name]
        return gone

    def close(self) -> None:
        self._offered.clear()
