"""Mail on a shelf: a source in memory that keeps SourceContract, and can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from crmservice.errors import CrmServiceError
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


class GatheringShelf(ShelfSource):
    """A shelf whose ``confirm`` is dear: deletions are gathered until so many wait."""

    enough = 100

    def due(self, durable: int) -> bool:
        return durable >= self.enough


class MailServer(ShelfSource):
    """A shelf behind a server: the box's pause holds for it. ``broken``: every session ends with this fault."""

    name = "server"
    remote = True

    def __init__(self, shelf: Shelf, broken: CrmServiceError | None = None) -> None:
        super().__init__(shelf)
        self.broken = broken
        self.sessions = 0
        self._open = False

    @property
    def open(self) -> bool:
        """Whether a session is open."""
        return self._open

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        if not self._open:
            self.sessions += 1
            self._open = True
        if self.broken is not None:
            raise self.broken
        yield from super().fetch(known, limit_bytes, batch)

    def close(self) -> None:
        super().close()
        self._open = False


class TellingServer(MailServer):
    """One that tells of mail. ``during``: called in the place of waiting; gives whether there is mail, or raises."""

    name = "telling"

    def __init__(self, shelf: Shelf, during: Callable[[float, int | None], bool]) -> None:
        super().__init__(shelf)
        self.during = during

    def wait(self, seconds: float, wake: int | None = None) -> bool:
        self._offered.clear()
        return self.during(seconds, wake)
