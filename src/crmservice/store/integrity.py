"""Whether the database itself is whole."""

from __future__ import annotations

from collections.abc import Iterator

from crmservice.store import bulk, database
from crmservice.store.ledger import Difference
from crmservice.words import Words, library_words

MOST = 100
"""Faults of the database that are named: a damaged file has thousands."""


def faults(*, quick: bool = False) -> Iterator[Difference]:
    """What SQLite says of its file: damaged pages and indexes (``quick``: without the indexes), rows that refer to none.

    PostgreSQL holds its own references and checks its pages where its checksums are on; it is asked nothing.
    """
    database.refresh()
    if database.is_postgresql():
        return
    check = "quick_check" if quick else "integrity_check"
    with database.available():
        for (said,) in bulk.query(f"PRAGMA {check}({MOST})"):
            if said != "ok":
                yield Difference("database", database.FILE, library_words(said))
        for table, row, parent, _key in bulk.query("PRAGMA foreign_key_check")[:MOST]:
            what = Words("row {row} refers to a row of {parent} that there is not", row=row, parent=parent)
            yield Difference("database", table, what)
