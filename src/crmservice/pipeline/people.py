"""Who a mail is for and who it is with: users among the recipients, and the counterparty in the address book."""

from __future__ import annotations

from collections.abc import Iterable

from crmservice.crm.directory import by_address
from crmservice.crm.records import Suggest, TakeTurn, User
from crmservice.mail.freemail import DOMAINS as FREEMAIL
from crmservice.pipeline.rule import Case


def named_users(case: Case) -> tuple[User, ...]:
    """The users among the recipients that the mail names, without repetition; the forwarder alone if there is one."""
    if case.forwarder is not None:
        return (case.forwarder,)
    return _once(case.user(address) for address in case.message.recipients)


def delivered_users(case: Case) -> tuple[User, ...]:
    """Users named only by the delivery: a blind copy, a list (rules=safe; SPEC chapter 4)."""
    if not case.safe or case.forwarder is not None:
        return ()
    named = {user.id for user in named_users(case)}
    return tuple(user for user in _once(map(case.user, case.message.delivered_to)) if user.id not in named)


def all_users(case: Case) -> tuple[User, ...]:
    """Named and delivered users; only those of ``only_for`` where a duplicate brings them something new.

    Those for whom the mail is never filed are none.
    """
    users = (*named_users(case), *delivered_users(case))
    wanted = (user for user in users if case.only_for is None or user.id in case.only_for)
    return tuple(user for user in wanted if user.id not in case.found.left_out)


def _once(users: Iterable[User | None]) -> tuple[User, ...]:
    return tuple({user.id: user for user in users if user is not None}.values())


def shared_users(case: Case) -> tuple[tuple[User, TakeTurn], ...]:
    """Who gets the mail to the shared addresses among its recipients, and the turns that this takes (rule 13)."""
    if case.only_for is not None or case.forwarder is not None:
        return ()
    found = []
    for address in case.message.recipients:
        record = by_address(case.directory.shared, address, case.box.our_domains)
        users = tuple(user for user in record.users if user.id not in case.found.left_out) if record else ()
        if record is not None and users:
            user = _next(users, case.directory.turns.get(record.id))
            found.append((user, TakeTurn(record.id, user.id)))
    return tuple(found)


def _next(users: tuple[User, ...], last: int | None) -> User:
    """The user behind the last one, in a circle."""
    ids = [user.id for user in users]
    return users[(ids.index(last) + 1) % len(users)] if last in ids else users[0]


def counterparty(case: Case) -> tuple[str, ...]:
    """The addresses of the other side of an incoming mail: its sender, or Reply-To where a web form sent it."""
    sender = case.sender
    if sender is None:
        return ()
    if case.listed(sender.email, case.box.reply_to_from) and case.message.reply_to:
        return tuple(address.email for address in case.message.reply_to)
    return (sender.email,)


def contacts_of(case: Case, addresses: Iterable[str]) -> tuple[int, ...]:
    """Ids of every contact with one of these addresses."""
    found = (contact.id for address in addresses for contact in case.contacts(address))
    return tuple(dict.fromkeys(found))


def accounts_of(case: Case, addresses: Iterable[str]) -> tuple[int, ...]:
    """Ids of the accounts of these contacts, and of accounts with one of these addresses."""
    ids: dict[int, None] = {}
    for address in addresses:
        ids |= {c.account: None for c in case.contacts(address) if c.account is not None}
        ids |= {account.id: None for account in case.accounts(address)}
    return tuple(ids)


def known(case: Case, address: str) -> bool:
    """Whether the address is a user's or in the address book."""
    return bool(case.user(address) or case.contacts(address) or case.accounts(address))


def suggested_accounts(case: Case, addresses: Iterable[str]) -> tuple[Suggest, ...]:
    """An unknown address of a company's mail domain suggests that company (SPEC chapter 4)."""
    return tuple(
        Suggest("account", address, {"accounts": [account.id for account in accounts]})
        for address in dict.fromkeys(addresses)
        if not (known(case, address) or case.ours(address))
        and (domain := address.rpartition("@")[2]) not in FREEMAIL
        and (accounts := case.directory.domains.get(domain))
    )
