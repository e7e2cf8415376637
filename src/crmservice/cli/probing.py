"""Trying each source of a box, and where the home keeps what it takes, for ``init`` and ``check``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from crmservice.config import Box, Settings
from crmservice.errors import CrmServiceError
from crmservice.service import wiring
from crmservice.sources import Probing, Source
from crmservice.tls import Timeouts
from crmservice.words import Words

LISTENING = "smtpListen"
TELLING = "smtpServer"
DATABASE = "database"
MAIL_STORE = "mail_store"

WAITS = Timeouts(connect=10, read=15, session=30)
"""Shorter than in service: a person waits."""


class Tried(NamedTuple):
    """How a source answered; ``problem`` is None where it did."""

    source: str
    problem: Words | None = None
    permanent: bool = False


def try_sources(box: Box, home: Path, timeouts: Timeouts = WAITS) -> Iterator[Tried]:
    """Sign in to each source of the box and to its smtpServer, and try the port it listens at; nothing is read or sent."""
    try:
        sources = wiring.sources(box, home, timeouts)
    except CrmServiceError as error:
        yield Tried("TLS", error.words, error.permanent)
        return
    for source in sources:
        yield _try(source.name, partial(_probe, source))
    if box.smtp_listen:
        yield _try(LISTENING, partial(_listen, box))
    if box.smtp is not None:
        yield _try(TELLING, partial(_sign_in_to_tell, box, home, timeouts))


def try_stores(settings: Settings) -> Iterator[Tried]:
    """Ask a database server and an object store that the settings name; nothing is written there."""
    if settings.database.startswith("postgres"):  # an embedded one is made with the first run
        yield _try(DATABASE, partial(_ask_database, settings))
    if settings.mail_store:
        yield _try(MAIL_STORE, lambda: wiring.raw_mail(settings).days())


def _try(name: str, ask: Callable[[], object]) -> Tried:
    try:
        ask()
    except CrmServiceError as error:
        return Tried(name, error.words, error.permanent)
    return Tried(name)


def _ask_database(settings: Settings) -> None:
    from crmservice.store import database

    database.connect(settings.home, settings.database)
    try:
        with database.reading():
            database.tables()
    finally:
        database.disconnect()


def _probe(source: Source) -> None:
    try:
        if isinstance(source, Probing):
            source.probe()
    finally:
        source.close()


def _sign_in_to_tell(box: Box, home: Path, timeouts: Timeouts) -> None:
    """Sign in to the server that notices go out by; nothing is sent."""
    from crmservice.microsoft.tokens import mail_token
    from crmservice.notices.channel import channel
    from crmservice.notices.smtp import Session

    way = channel(box)
    assert way is not None
    with Session(way, timeouts, mail_token(box, home)):
        pass


def _listen(box: Box) -> None:
    from crmservice.sources.smtp_in.server import try_listening

    try_listening(box.smtp_listen)
