"""What a batch needs to be looked up: addresses, numbers, keys and ids, collected from its readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from crmservice.config import Box
from crmservice.crm.directory import Wanted, without_tag
from crmservice.mail.freemail import DOMAINS as FREEMAIL
from crmservice.mail.message import Message, digest
from crmservice.mail.text import fold
from crmservice.pipeline.rule import Reading


def wanted(readings: Iterable[Reading], box: Box) -> Wanted:
    """Everything that a rule may look up for these messages (and for a mail forwarded inside one)."""
    all_of_them = [inner for reading in readings for inner in _with_inner(reading)]
    addresses = {address for reading in all_of_them for address in _addresses(reading.message)}
    addresses |= {reading.quoted.sender.email for reading in all_of_them if reading.quoted and reading.quoted.sender}
    addresses |= {without_tag(address, box.our_domains) for address in addresses}
    numbers = {kind: _numbers(all_of_them, kind) for kind in ("contract", "order", "task")}
    return Wanted(
        addresses=frozenset(addresses),
        domains=frozenset(a.rpartition("@")[2] for a in addresses) - FREEMAIL - box.our_domains,
        contracts=numbers["contract"],
        orders=numbers["order"],
        tasks=numbers["task"],
        problems=frozenset(r.problem.problem_id for r in all_of_them if r.problem and r.problem.problem_id),
        keys=frozenset(reading.identity.key for reading in all_of_them),
        message_ids=frozenset(chain.from_iterable(map(_message_ids, all_of_them))),
        uids=frozenset(r.message.invitation.uid for r in all_of_them if r.message.invitation),
    )


def _with_inner(reading: Reading) -> Iterator[Reading]:
    yield reading
    if reading.inner is not None:
        yield reading.inner


def _addresses(message: Message) -> Iterator[str]:
    if message.sender:
        yield message.sender.email
    yield from message.recipients
    yield from message.delivered_to
    yield from (address.email for address in message.reply_to)
    if message.bounce:
        yield from message.bounce.failed


def _numbers(readings: Iterable[Reading], kind: str) -> frozenset[str]:
    marked = (number for r in readings for marker in r.markers if marker.kind == kind for number in marker.numbers)
    problems = (number for r in readings if r.problem for number in r.problem.contracts) if kind == "contract" else ()
    return frozenset(fold(number) for number in chain(marked, problems))


def _message_ids(reading: Reading) -> Iterator[bytes]:
    message = reading.message
    if reading.identity.message_id:
        yield reading.identity.message_id
    yield from map(digest, (*message.in_reply_to, *message.references))
    if message.bounce:
        yield from map(digest, message.bounce.quoted_ids)
