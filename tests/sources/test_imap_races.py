"""Others at work in the same mailbox, on a real Dovecot: numbers made anew, messages deleted and moved (TRUST C12, C13)."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from imapclient import IMAPClient

from crmservice.config import Endpoint, Login, Secret
from crmservice.sources import Fetched, SourceError
from crmservice.sources.imap import ImapSource
from crmservice.testing.source_contract import NOTHING, message
from crmservice.tls import Timeouts, tls_context
from tests.support.dovecot import Dovecot

pytestmark = pytest.mark.server

USER = "crm@firma.cz"
WAITS = Timeouts(5, 10, 60)


def source(server: Dovecot) -> ImapSource:
    endpoint = Endpoint("localhost", server.ports["imaps"], "tls")
    return ImapSource(endpoint, Login(USER, Secret(server.password)), tls_context(server.certificates.ca), WAITS)


@contextmanager
def second_client(server: Dovecot) -> Iterator[IMAPClient]:
    client = IMAPClient("localhost", server.ports["imap"], ssl=False)
    try:
        client.starttls(tls_context(server.certificates.ca))
        client.login(USER, server.password)
        client.select_folder("INBOX")
        yield client
    finally:
        client.shutdown()


def fill(server: Dovecot, first: int, count: int) -> None:
    for number in range(first, first + count):
        server.deliver(message(number), name=f"{1_700_000_000 + number}.M{number}.test")


def number_anew(server: Dovecot, choose: random.Random) -> None:
    """Make the server forget its numbers, with other messages in the place of some: each number means another one."""
    maildir = server.maildir(USER)
    files = [file for part in ("new", "cur") for file in (maildir / part).iterdir()]
    for turn, file in enumerate(choose.sample(files, len(files))):
        file.rename(maildir / "cur" / f"{1_600_000_000 + turn}.M{choose.randrange(10**9)}.test:2,T")  # T: \Deleted
    for file in [*maildir.glob("dovecot-uidlist*"), *maildir.glob("dovecot.index*")]:
        file.unlink()


def ask(one: ImapSource, batch: int = 50) -> list[Fetched]:
    return list(one.fetch(NOTHING.__contains__, 10_000, batch=batch))


@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_numbers_made_anew_in_the_midst_never_delete_a_message_that_was_not_read(server: Dovecot, rounds: int) -> None:
    choose = random.Random(rounds)
    server.empty()
    for turn in range(rounds):
        fill(server, turn * 10, 6)
        one = source(server)
        found = ask(one, batch=choose.choice([2, 4]))
        taken = {seen.data for seen in found}
        kept = set(server.left()) - taken
        fresh = choose.random() < 0.5
        if fresh:
            one.close()
        number_anew(server, choose)
        with contextlib.suppress(SourceError):  # the server may end a session whose numbers are gone
            one.confirm([seen.source_id for seen in found])
        one.close()
        assert kept <= set(server.left()), f"round {turn}: a message that nobody read is gone"
        server.empty()


def test_after_new_numbers_the_messages_are_offered_again_and_deleted_by_them(server: Dovecot) -> None:
    server.empty()
    fill(server, 0, 3)
    one = source(server)
    old = [seen.source_id for seen in ask(one)]
    one.close()
    number_anew(server, random.Random(1))
    assert one.confirm(old) == []
    assert len(server.left()) == 3
    new = ask(one)
    assert {seen.data for seen in new} == {message(0), message(1), message(2)}
    assert not {seen.source_id for seen in new} & set(old)
    assert len(one.confirm([seen.source_id for seen in new])) == 3
    one.close()
    assert server.left() == []


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_what_another_client_deletes_or_moves_is_no_error_and_the_rest_comes(server: Dovecot, rounds: int) -> None:
    """Four at each round: two between two batches, two between reading and deleting."""
    choose = random.Random(rounds)
    server.empty()
    with second_client(server) as other:
        if not other.folder_exists("Elsewhere"):
            other.create_folder("Elsewhere")
        for turn in range(rounds):
            fill(server, turn * 20, 12)
            one = source(server)
            found = ask(one, batch=4)
            other.noop()
            gone = choose.sample(other.search(), 4)
            other.delete_messages(gone[:1])
            other.uid_expunge(gone[:1])
            other.move(gone[1:2], "Elsewhere")
            found += ask(one)
            assert one.faults == []
            other.delete_messages(gone[2:3])
            other.uid_expunge(gone[2:3])
            other.move(gone[3:], "Elsewhere")
            ids = [seen.source_id for seen in found]
            assert sorted(one.confirm(ids)) == sorted(ids)
            assert one.faults == []
            assert ask(one) == []
            one.close()
            assert len(found) >= 10
            assert server.left() == []
