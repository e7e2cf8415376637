"""What a rule is asked (Case) and what it answers (Answer). A rule writes nowhere and knows no neighbour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from crmservice.config import Box
from crmservice.crm.directory import Directory, by_address, without_tag
from crmservice.crm.own_rules import OwnRule
from crmservice.crm.records import Account, Contact, CreateActivity, Direction, Intent, Suggest, User
from crmservice.mail.forwarded import Forwarded
from crmservice.mail.keywords import DEFAULT, Keywords
from crmservice.mail.markers import Marker
from crmservice.mail.message import Address, Identity, Message
from crmservice.mail.problems import Problem


class Verdict(StrEnum):
    """The class of the ledger a message falls in (SPEC chapters 13.1 and 14)."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True)
class Reading:
    """A message with what its words say, before anything is looked up.

    ``own_notice``: it carries our HMAC header. Of a mail forwarded to the box alone (rules=safe), ``inner`` is the
    nested mail, or else ``quoted`` what a quoted header block says of the original. ``report``: headers and sender of
    the journal report that the mail came in.
    """

    message: Message
    identity: Identity
    markers: tuple[Marker, ...] = ()
    problem: Problem | None = None
    own_notice: bool = False
    inner: Reading | None = None
    quoted: Forwarded | None = None
    report: Message | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where the activity belongs (SPEC chapters 5 and 6); ``type`` and ``scope`` None where no marker set them."""

    contract: int | None = None
    order: int | None = None
    task: str | None = None
    type: str | None = None
    scope: str | None = None
    thread: int | None = None
    suggestions: tuple[Suggest, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What earlier rules of the chain found out and later ones build upon. ``own``: the own rule that files this mail.

    ``left_out``: users (ids) for whom this mail is never filed.
    """

    bounced: bool = False
    new_task: str | None = None
    assignment: Assignment = Assignment()
    own: OwnRule | None = None
    left_out: frozenset[int] = frozenset()
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One message to decide on, with everything a rule may look at.

    ``arrived`` is the time of capture (aware, UTC). ``only_for``: a duplicate that brings only these
    users (ids) something new. ``forwarder``: the employee who forwarded this mail by hand.
    """

    reading: Reading
    box: Box
    directory: Directory
    arrived: datetime
    sender_verified: bool = False
    words: Keywords = DEFAULT
    found: Findings = Findings()
    only_for: frozenset[int] | None = None
    forwarder: User | None = None

    @property
    def message(self) -> Message:
        """The message itself."""
        return self.reading.message

    @property
    def safe(self) -> bool:
        """Whether the box's ``rules`` are ``safe``."""
        return self.box.safe

    @property
    def may_command(self) -> bool:
        """Whether the sender may make tasks, set type and scope, change invitations (SPEC chapter 7)."""
        return self.sender_verified or not self.box.authserv_ids

    @property
    def sender(self) -> Address | None:
        """The usable sender."""
        return self.message.sender

    def ours(self, address: str) -> bool:
        """Whether the address is of one of our domains."""
        return address.rpartition("@")[2] in self.box.our_domains

    def user(self, address: str) -> User | None:
        """The user with this address. The box itself is never a user (SPEC chapter 4)."""
        if self.is_box(address):
            return None
        return self.directory.user(address, self.box.our_domains)

    def plain(self, address: str) -> str:
        """The address as lists are compared: in our domains without its ``+tag`` (SPEC chapter 4)."""
        return without_tag(address, self.box.our_domains)

    def listed(self, address: str, entries: AbstractSet[str]) -> bool:
        """Whether a list of addresses has this one, in our domains also without its ``+tag``."""
        return address in entries or self.plain(address) in entries

    def contacts(self, address: str) -> tuple[Contact, ...]:
        """The contacts with this address."""
        return by_address(self.directory.contacts, address, self.box.our_domains) or ()

    def accounts(self, address: str) -> tuple[Account, ...]:
        """The accounts with this address of their own."""
        return by_address(self.directory.accounts, address, self.box.our_domains) or ()

    def is_box(self, address: str) -> bool:
        """Whether the address is the technology box's own, with or without a ``+tag``."""
        local, _, domain = address.rpartition("@")
        return address == self.box.email or f"{local.partition('+')[0]}@{domain}" == self.box.email


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule says: not mine, go on (with effects), stop (with a verdict), or go on for these users only.

    ``code`` says why in one stable word; ``evidence`` is small and plain (it is shown and stored).
    """

    kind: Literal["not-mine", "go-on", "stop", "only-for"]
    code: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    intents: tuple[Intent, ...] = ()
    found: Findings | None = None
    first: int | None = None
    users: frozenset[int] = frozenset()


def not_mine(because: str, **evidence: Any) -> Answer:
    """The rule does not match; ``because`` says what it saw."""
    return Answer("not-mine", because, evidence)


def go_on(
    because: str, *intents: Intent, log: tuple[str, ...] = (), found: Findings | None = None, **evidence: Any
) -> Answer:
    """The rule matches; the chain goes on with ``intents`` kept and ``found`` in the place of the findings."""
    return Answer("go-on", because, evidence, log=log, intents=intents, found=found)


def stop(
    *log: str, because: str, intents: tuple[Intent, ...] = (), repeats: int | None = None, **evidence: Any
) -> Answer:
    """The rule matches and ends the chain with these log words. ``repeats``: the message that this one repeats."""
    return Answer("stop", because, evidence, log=log, intents=intents, first=repeats)


def only_for(users: frozenset[int], repeats: int, because: str, *log: str, **evidence: Any) -> Answer:
    """A duplicate of the message ``repeats`` that brings an activity to these users alone (SPEC chapter 4)."""
    return Answer("only-for", because, evidence, log=log, users=users, first=repeats)


def verdict_of(log: tuple[str, ...]) -> Verdict:
    """The ledger's class by the log words (SPEC chapter 14)."""
    if "SET ASIDE" in log:
        return Verdict.SET_ASIDE
    if "PROCESSED" in log or "NEW TASK CREATED" in log or any(word.endswith(" UPDATED") for word in log):
        return Verdict.PROCESSED
    return Verdict.DUPLICATE if "DUPLICATE KEY" in log else Verdict.SKIPPED


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in its place: ``name`` and ``chapter`` (of the manual) as SPEC chapter 4 has them."""

    name: str
    chapter: str
    ask: Callable[[Case], Answer]


@dataclass(frozen=True, slots=True)
class Step:
    """One rule asked: made by the engine, never by the rule (HOUSE.md, habit 4)."""

    rule: str
    chapter: str
    matched: bool
    code: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a message. ``message`` is the mail inside where one was unwrapped.

    ``first``: row id of the message that this one repeats.
    """

    message: Message
    identity: Identity
    log: tuple[str, ...]
    verdict: Verdict
    intents: tuple[Intent, ...] = ()
    trail: tuple[Step, ...] = ()
    found: Findings = Findings()
    sender_verified: bool = False
    first: int | None = None

    @property
    def direction(self) -> Direction | None:
        """The direction of what was filed (a rerouted mail's is not what rule 12 found), else as found."""
        filed = (intent.direction for intent in self.intents if isinstance(intent, CreateActivity))
        return next(filed, self.found.direction)
