"""A company, its mail, and an office that receives it: what tests of rules are written with. Needs no Django.

``Office`` is the whole road of a message behind the inbox, on a CRM in memory; what it files is told by names
and numbers, as a person would.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any, TypeVar

from crmservice.config import Box
from crmservice.crm.records import CreateActivity, Intent
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.memory import MemoryGateway
from crmservice.pipeline.process import Pipeline
from crmservice.pipeline.rule import Decision, Rule
from crmservice.rules import CHAIN

T = TypeVar("T")
Headers = Mapping[str, str] | Sequence[tuple[str, str]]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When every message of an Office arrives."""

DATE = "Mon, 2 Mar 2026 10:00:00 +0100"
SENT = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""The Date of a mail of ``eml`` that is given none, and the instant it names."""

COMPANY: dict[str, list[dict[str, Any]]] = {
    "roles": [
        {"name": "Vedení"},
        {"name": "Obchod", "parent": "Vedení"},
        {"name": "Servis", "parent": "Vedení"},
        {"name": "Obchod junior", "parent": "Obchod"},
    ],
    "users": [
        {"login": "sef", "email": "sef@firma.cz", "role": "Vedení"},
        {"login": "novak", "email": "novak@firma.cz", "aliases": ["jan.novak@firma.cz"], "role": "Obchod"},
        {"login": "svoboda", "email": "svoboda@firma.cz", "role": "Obchod"},
        {"login": "dvorak", "email": "dvorak@firma.cz", "role": "Servis"},
        {"login": "junior", "email": "junior@firma.cz", "role": "Obchod junior"},
        {"login": "byvala", "email": "byvala@firma.cz", "role": "Obchod", "active": False},
        {"login": "externi", "email": "externi@partner.example"},
    ],
    "shared_addresses": [
        {"address": "obchod@firma.cz", "role": "Obchod"},
        {"address": "servis@firma.cz", "responsible": "dvorak"},
    ],
    "activity_types": [
        {"name": "E-mail"},
        {"name": "Dokumentace"},
        {"name": "Obchodní jednání"},
        {"name": "Obchodní jednání online"},
    ],
    "accounts": [
        {"name": "ACME s.r.o.", "emails": ["info@acme.cz"]},
        {"name": "Beta a.s.", "emails": ["office@beta.example"]},
    ],
    "contacts": [
        {"name": "Jana", "account": "ACME s.r.o.", "emails": ["jana@acme.cz", "jana@gmail.com"]},
        {"name": "Bob", "account": "Beta a.s.", "emails": ["bob@beta.example"]},
        {"name": "Solo", "emails": ["solo@nikde.example"]},
        {"name": "Petr", "account": "ACME s.r.o.", "emails": ["rodina@doma.example"]},
        {"name": "Pavla", "account": "Beta a.s.", "emails": ["rodina@doma.example"]},
    ],
    "contracts": [
        {"number": "123", "account": "ACME s.r.o.", "team": ["novak", "dvorak"]},
        {"number": "124", "account": "Beta a.s.", "team": ["svoboda"]},
        {"number": "Z-2026/07_b.1", "account": "ACME s.r.o."},
        {"number": "X-"},
    ],
    "orders": [{"number": "2026-15", "account": "ACME s.r.o."}],
    "tasks": [{"number": "77", "subject": "Nabídka", "contract": "123"}, {"number": "A-9", "subject": "Jiný"}],
}
"""Roles three levels deep, users of every kind (an alias, an inactive one, one without a role), two customers."""


def eml(  # noqa: PLR0913 (a mail has that many fields)
    text: str = "Dobrý den",
    *,
    sender: str = "Jana <jana@acme.cz>",
    to: str = "novak@firma.cz",
    subject: str = "Dotaz",
    date: str | None = DATE,
    message_id: str | None = "",
    html: str = "",
    parts: Sequence[bytes] = (),
    headers: Headers = (),
    **more: str,
) -> bytes:
    """A mail as bytes with CRLF line ends. ``date`` or ``message_id`` None: without that header.

    An empty ``message_id`` stands for one that the content gives. ``parts``: of ``part``, ``nested`` or
    ``calendar``, behind the text. ``headers``: at the top, in this order, names as they are; ``more``: below
    the others, ``cc="…"`` or ``in_reply_to="…"``. Values may be any text: what is not ASCII is encoded.
    """
    fields = [*_pairs(headers), ("From", sender), ("To", to), ("Subject", subject)]
    fields += [(name.replace("_", "-").title(), value) for name, value in more.items()]
    if date is not None:
        fields.append(("Date", date))
    if message_id is not None:
        seed = repr((fields, text, html, parts)).encode()
        fields.append(("Message-ID", f"<{message_id or sha256(seed).hexdigest()[:12] + '@test'}>"))
    head = b"".join(_field(name, value) for name, value in fields if value)
    bodies = [part(text), *([part(html, "text/html")] if html else []), *parts]
    if len(bodies) == 1:
        return head + b"MIME-Version: 1.0\r\n" + bodies[0]
    kind = "multipart/alternative" if html and not parts else "multipart/mixed"
    return head + multipart(kind, bodies)


def multipart(kind: str, bodies: Iterable[bytes]) -> bytes:
    """A multipart body with its own headers; ``kind`` may carry parameters."""
    bodies = list(bodies)
    mark = f"=_{sha256(b''.join(bodies)).hexdigest()[:16]}".encode()  # a mail inside a mail has another one
    joined = b"".join(b"--%s\r\n%s\r\n" % (mark, body) for body in bodies)
    return b'MIME-Version: 1.0\r\nContent-Type: %s; boundary="%s"\r\n\r\n%s--%s--\r\n' % (
        kind.encode(), mark, joined, mark,
    )  # fmt: skip


def part(text: str, kind: str = "text/plain", name: str = "") -> bytes:
    """A leaf with UTF-8 text; an attachment if it has a name."""
    disposition = f'Content-Disposition: attachment; filename="{name}"\r\n' if name else ""
    head = f"Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n{disposition}\r\n"
    return (head + text.replace("\r\n", "\n").replace("\n", "\r\n") + "\r\n").encode()


def nested(raw: bytes) -> bytes:
    """A mail inside a mail (message/rfc822)."""
    return b"Content-Type: message/rfc822\r\n\r\n" + raw


def calendar(  # noqa: PLR0913 (an event has that many properties)
    method: str = "REQUEST",
    *,
    uid: str = "porada@acme.cz",
    sequence: int = 0,
    organizer: str = "jana@acme.cz",
    attendee: str = "novak@firma.cz",
    state: str = "NEEDS-ACTION",
    starts: str = "DTSTART:20260310T090000Z",
    ends: str = "DTEND:20260310T100000Z",
    stamp: str = "20260302T090000Z",
    lines: Sequence[str] = (),
    summary: str = "Porada",
) -> bytes:
    """A text/calendar part with one event (RFC 5545); ``lines``: further properties. An empty text leaves out."""
    optional = [
        f"ORGANIZER:mailto:{organizer}" if organizer else "",
        f"ATTENDEE;PARTSTAT={state}:mailto:{attendee}" if attendee else "",
    ]
    event = [f"UID:{uid}", f"DTSTAMP:{stamp}", f"SEQUENCE:{sequence}", f"SUMMARY:{summary}", starts, ends]
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", f"METHOD:{method}" if method else ""]
    whole += ["BEGIN:VEVENT", *event, *optional, *lines, "END:VEVENT", "END:VCALENDAR"]
    kind = f"text/calendar; method={method}" if method else "text/calendar"
    return part("\n".join(filter(None, whole)), kind)


def report(
    *failed: str, status: str = "5.1.1", action: str = "failed", quoted_id: str = "", to: str = "novak@firma.cz"
) -> bytes:
    """A delivery report (RFC 3464) on these addresses, with the returned mail's Message-ID if given."""
    groups = [f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\n" for address in failed]
    bodies = [
        part("Zprávu se nepodařilo doručit."),
        part("\n".join(["Reporting-MTA: dns; mx.test\n", *groups]), "message/delivery-status"),
    ]
    if quoted_id:
        bodies.append(nested(eml("ahoj", sender="novak@firma.cz", to=failed[0], message_id=quoted_id)))
    fields = (("From", "MAILER-DAEMON@mx.test"), ("To", to), ("Subject", "Undelivered"), ("Date", DATE))
    seed = repr((failed, status, action, quoted_id, to)).encode()
    head = b"".join(_field(name, value) for name, value in fields)
    head += _field("Message-ID", f"<{sha256(seed).hexdigest()[:12]}@mx.test>")
    return head + multipart("multipart/report; report-type=delivery-status", bodies)


def company(**more: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """COMPANY with further records, table by table."""
    return {table: [*COMPANY.get(table, ()), *more.get(table, ())] for table in COMPANY | more}


def box(**fields: Any) -> Box:
    """The technology box crm@firma.cz with these fields of ``config.Box``."""
    given: dict[str, Any] = {"name": "crm", "email": "crm@firma.cz", "our_domains": frozenset({"firma.cz"})}
    return Box(**(given | fields))


@dataclass(frozen=True, slots=True)
class Filed:
    """An activity as a person would tell it: by logins, names and numbers."""

    subject: str
    direction: str
    responsible: str
    type: str
    scope: str
    contract: str | None
    order: str | None
    task: str | None
    contacts: frozenset[str]
    accounts: frozenset[str]
    sent: datetime
    due: datetime | None
    completed: datetime | None
    thread: int | None
    unverified: bool
    keep_original: bool


class Office:
    """A company with one technology box and a CRM in memory. ``fields`` are those of ``config.Box``."""

    def __init__(
        self,
        tables: Mapping[str, Any] = COMPANY,
        *,
        chain: Sequence[Rule] = CHAIN,
        notice_key: bytes = b"",
        **fields: Any,
    ) -> None:
        self.box = box(**fields)
        self.gateway = MemoryGateway.from_tables(tables)
        self.pipeline = Pipeline(self.gateway, chain, notice_key=notice_key)
        self.decisions: list[Decision] = []
        self._rows = count(1)

    def receive(self, *mails: bytes) -> Decision:
        """File mails one after another; the last one's decision."""
        for raw in mails:
            self.receive_together(raw)
        return self.decisions[-1]

    def receive_together(self, *mails: bytes) -> list[Decision]:
        """File mails in one batch; their decisions in order."""
        batch = [(self._row(), self.pipeline.read(raw, self.box)) for raw in mails]
        outcomes = self.pipeline.process(self.box, batch)
        decisions = [outcome.decision for outcome in outcomes]
        self.decisions += decisions
        return decisions

    def again(self, raw: bytes, start: str) -> Decision:
        """What would become of a mail "processed after all", from this rule on; nothing is written."""
        return self.pipeline.decide_alone(self.box, self._row(), self.pipeline.read(raw, self.box), start=start)[1]

    @property
    def logs(self) -> list[tuple[str, ...]]:
        """The log words of every message."""
        return [decision.log for decision in self.decisions]

    @property
    def filed(self) -> list[Filed]:
        """Every activity, in the order they were made."""
        return [self._filed(decision, made) for decision in self.decisions for made in of(decision, CreateActivity)]

    def login(self, key: int | None) -> str | None:
        """The login of the user with this id."""
        users = self.gateway.directory.users.values()
        return next((user.login for user in users if user.id == key), None)

    def _row(self) -> Waiting:
        return Waiting(next(self._rows), self.box.name, "", "", NOON)

    def _filed(self, decision: Decision, made: CreateActivity) -> Filed:
        directory = self.gateway.directory
        contacts = {one.name for many in directory.contacts.values() for one in many if one.id in made.contacts}
        accounts = {one.name for many in directory.accounts.values() for one in many if one.id in made.accounts}
        return Filed(
            subject=decision.message.subject,
            direction=str(made.direction),
            responsible=self.login(made.responsible) or "",
            type=made.type,
            scope=made.scope,
            contract=next((c.number for c in directory.contracts.values() if c.id == made.contract), None),
            order=next((o.number for o in directory.orders.values() if o.id == made.order), None),
            task=made.task,
            contacts=frozenset(contacts),
            accounts=frozenset(accounts),
            sent=made.sent,
            due=made.due,
            completed=made.completed,
            thread=made.thread,
            unverified=made.unverified,
            keep_original=made.keep_original,
        )


def decided(raw: bytes, tables: Mapping[str, Any] = COMPANY, **fields: Any) -> Decision:
    """What becomes of one mail in a company that has had none; ``fields`` are those of ``config.Box``."""
    return Office(tables, **fields).receive(raw)


def of(decision: Decision, kind: type[T]) -> list[T]:
    """The decision's intents of one kind, in order."""
    return [intent for intent in decision.intents if isinstance(intent, kind)]


def effects(decision: Decision) -> list[Intent]:
    """The decision's intents but for activities and their thread."""
    return [intent for intent in decision.intents if type(intent).__name__ not in ("CreateActivity", "JoinThread")]


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return list(headers.items() if isinstance(headers, Mapping) else headers)


def _field(name: str, value: str) -> bytes:
    """A header; words that are not ASCII as RFC 2047 has them (a display name's angle part stays as it is)."""
    if value.isascii():
        return f"{name}: {value}\r\n".encode()
    words, angle, rest = value.partition(" <")
    encoded = f"=?utf-8?b?{b64encode(words.encode()).decode()}?="
    return f"{name}: {encoded}{angle}{rest}\r\n".encode()
