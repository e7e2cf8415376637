"""An administrator's own rules: what each looks for, and what it does with mail that fits (SPEC 13.12).

Pure: shared by the rules of the chain, by ``load`` and by whoever makes such a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crmservice.crm.records import User
from crmservice.mail.headers import decode
from crmservice.mail.listed import is_listed
from crmservice.mail.message import Message
from crmservice.mail.text import fold
from crmservice.words import Words

CONDITIONS = ("from", "to", "subject", "header", "text")
FILINGS = ("contract", "order", "task", "type", "scope", "responsible")


@dataclass(frozen=True, slots=True)
class OwnRule:
    """One own rule. Every condition that is given must hold; an empty one asks nothing.

    ``sender`` and ``recipient``: an address, or a domain with those below it. ``subject`` and ``text``: words that are in
    it, folded as markers are. ``header``: ``Name: words``. ``skip`` leaves the mail out; otherwise the rest says where it
    goes: ids of contract and order, number of the task, name of the type, a scope, the responsible user.
    """

    id: int
    name: str
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    header: str = ""
    text: str = ""
    skip: bool = False
    contract: int | None = None
    order: int | None = None
    task: str | None = None
    type: str | None = None
    scope: str | None = None
    responsible: User | None = None


def first_match(rules: Iterable[OwnRule], message: Message, *, skip: bool) -> OwnRule | None:
    """The first rule that fits the message, of those that skip or of those that file; they stand in their order."""
    return next((rule for rule in rules if rule.skip is skip and fits(rule, message)), None)


def fits(rule: OwnRule, message: Message) -> bool:
    """Whether every condition of the rule holds."""
    sender = message.sender.email if message.sender else ""
    return (
        (not rule.sender or (sender != "" and is_listed(sender, {rule.sender})))
        and (not rule.recipient or any(is_listed(one, {rule.recipient}) for one in message.recipients))
        and (not rule.subject or fold(rule.subject) in fold(message.subject))
        and (not rule.header or _header_fits(rule.header, message))
        and (not rule.text or fold(rule.text) in fold(message.text))
    )


def _header_fits(condition: str, message: Message) -> bool:
    name, _colon, words = condition.partition(":")
    return any(fold(words.strip()) in fold(decode(value)) for value in message.headers.all(name.strip().lower()))


def refused(record: Mapping[str, Any]) -> Words | None:
    """Why a rule with these fields (those of ``load``) is refused: it could never match, or would do nothing."""
    given = [name for name in CONDITIONS if record.get(name)]
    if not given:
        return Words("asks for nothing: give one of {names}", names=", ".join(CONDITIONS))
    filing = [name for name in FILINGS if record.get(name)]
    if record.get("skip") and filing:
        return Words("skips mail and files it ({names}): one of the two", names=", ".join(filing))
    if not record.get("skip") and not filing:
        return Words("does nothing: give skip, or one of {names}", names=", ".join(FILINGS))
    return next((why for name in given if (why := _never(name, str(record[name]))) is not None), None)


def _never(name: str, value: str) -> Words | None:
    """Why this condition can never hold."""
    if name in ("from", "to") and (any(char.isspace() for char in value) or "." not in value.rpartition("@")[2]):
        return Words("{field}: {value!r} is neither an address nor a domain", field=name, value=value)
    if name == "header" and not (value.partition(":")[0].strip() and value.partition(":")[2].strip()):
        return Words("{field}: write it as Name: words", field=name)
    if not fold(value.partition(":")[2] if name == "header" else value):
        return Words("{field}: {value!r} holds nothing that could be found", field=name, value=value)
    return None
