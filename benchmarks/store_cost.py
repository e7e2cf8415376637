"""What the store costs a message: accept, claim, look up, apply, in CPU milliseconds, in batches of 50 on SQLite.

``--profile`` prints where apply and the look-up spend their time.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from crmservice.config import Box
from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.records import CreateActivity, Direction, JoinThread
from crmservice.mail.message import Address, Identity, Message, digest
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.rule import Decision, Step, Verdict
from crmservice.store import database, inbox, tables
from crmservice.store.gateway import StoreGateway

BATCH = 50
USERS, CONTACTS, CONTRACTS = 100, 20_000, 1_000
BOX = Box(name="crm", email="crm@firma.cz", our_domains=frozenset({"firma.cz"}))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TEXT = "Dobrý den, posílám podklady k zakázce, děkuji za rychlé vyřízení. " * 60
TRAIL = tuple(Step(f"rule_{n}", f"15.{n}", n == 13, "no-match", {"saw": "nothing"}) for n in range(15))


def records() -> dict[str, list[dict[str, object]]]:
    accounts = CONTACTS // 10
    return {
        "roles": [{"name": "Vedení"}, {"name": "Obchod", "parent": "Vedení"}],
        "users": [{"login": f"u{n}", "email": f"u{n}@firma.cz", "role": "Obchod"} for n in range(USERS)],
        "activity_types": [{"name": "E-mail"}],
        "accounts": [{"name": f"A{n}", "emails": [f"info@a{n}.example"]} for n in range(accounts)],
        "contacts": [
            {"name": f"C{n}", "account": f"A{n % accounts}", "emails": [f"c{n}@a{n % accounts}.example"]}
            for n in range(CONTACTS)
        ],
        "contracts": [{"number": f"Z{n}", "account": f"A{n}", "team": ["u1", "u2"]} for n in range(CONTRACTS)],
    }


def mail(n: int) -> Message:
    contact = n * 7919 % CONTACTS
    return Message(
        b"",
        sender=Address(f"c{contact}@a{contact % (CONTACTS // 10)}.example"),
        recipients=(f"u{n % USERS}@firma.cz", "crm@firma.cz"),
        subject=f"Poptávka {n}",
        sent=NOON,
        text=TEXT,
    )


def decided(n: int, row: Waiting, directory: Directory) -> Outcome:
    message = mail(n)
    assert message.sender is not None
    contact = directory.contacts[message.sender.email][0]
    contract = directory.contracts[f"z{n % CONTRACTS}"].id if n % 3 == 0 else None
    user = directory.users[f"u{n % USERS}@firma.cz"].id
    made = CreateActivity(
        user, Direction.INCOMING, "E-mail", "p2", NOON, None, NOON, (contact.id,), (contact.account or 0,), contract, thread=n,
    )  # fmt: skip
    identity = Identity(digest(f"k{n}"), digest(f"b{n}"), digest(f"<{n}>"), dated=True)
    intents = (JoinThread(n), made)
    return Outcome(row, BOX, Decision(message, identity, ("PROCESSED",), Verdict.PROCESSED, intents, TRAIL))


def wanted(numbers: range) -> Wanted:
    mails = [mail(n) for n in numbers]
    addresses = {address for one in mails if one.sender for address in (one.sender.email, *one.recipients)}
    return Wanted(
        addresses=frozenset(addresses),
        domains=frozenset(address.rpartition("@")[2] for address in addresses) - {"firma.cz"},
        contracts=frozenset(f"z{n % CONTRACTS}" for n in numbers if n % 3 == 0),
        keys=frozenset(digest(f"k{n}") for n in numbers),
        message_ids=frozenset(digest(f"<{n - back}>") for n in numbers for back in (0, 1)),
    )


def arrival(n: int) -> inbox.New:
    path = f"POP3Downloads/2026-03-02/{n:036}.eml"
    return inbox.New("crm", "eml", f"{n}.eml", f"{n:064x}", 23_000, path, NOON, date(2026, 3, 2))


class Meter:
    """CPU seconds by step, and a profile of the steps that are asked for."""

    def __init__(self, profile: cProfile.Profile | None) -> None:
        self.seconds: dict[str, float] = {}
        self.profile = profile

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a block."""
        if self.profile is not None:
            self.profile.enable()
        start = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start
        if self.profile is not None:
            self.profile.disable()


def run(messages: int, meter: Meter, url: str, say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory() as home:
        database.connect(Path(home), url)
        database.migrate()
        say("loading records")
        tables.load(records())
        gateway = StoreGateway()
        for start in range(0, messages, BATCH):
            one_batch(gateway, range(start, start + BATCH), meter)


def one_batch(gateway: StoreGateway, numbers: range, meter: Meter) -> None:
    with meter.step("accept"):
        ids = inbox.accept([arrival(n) for n in numbers])
    with meter.step("pending and claim"):
        rows = inbox.pending("crm", BATCH)
        inbox.claim(ids)
    asked = wanted(numbers)
    with meter.step("directory_for"):
        directory = gateway.directory_for(asked, ids)
    outcomes = [decided(n, row, directory) for n, row in zip(numbers, rows, strict=True)]
    with meter.step("apply"):
        gateway.apply(outcomes)
    with meter.step("confirm_gone"):
        inbox.confirm_gone(ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--url", default="", help="a PostgreSQL URL instead of SQLite")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    meter = Meter(cProfile.Profile() if options.profile else None)
    run(options.messages, meter, options.url, lambda text: print(text, file=sys.stderr))
    for name, seconds in meter.seconds.items():
        print(f"{name:20} {seconds / options.messages * 1000:.3f} ms CPU a message")
    print(f"{'all':20} {sum(meter.seconds.values()) / options.messages * 1000:.3f} ms CPU a message")
    if meter.profile is not None:
        pstats.Stats(meter.profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
