"""One sender's session: aiosmtpd's command loop, with what we ask of senders and how we take a message.

aiosmtpd keeps a message's lines as objects in memory and refuses long lines, so DATA is ours; so are the terms, the
enhanced status codes (RFC 3463), LMTP on the same port, and what is not offered.
"""

from __future__ import annotations

import asyncio
import errno
from collections import defaultdict
from collections.abc import Callable
from typing import AnyStr

from aiosmtpd.smtp import SMTP, Envelope, syntax
from aiosmtpd.smtp import Session as Facts

from crmservice.errors import CrmServiceError
from crmservice.sources.smtp_in.certificate import Certificate
from crmservice.sources.smtp_in.commit import GroupCommit
from crmservice.sources.smtp_in.data import Spool, Transparency
from crmservice.sources.smtp_in.terms import Peer, Terms
from crmservice.tls import SLOWEST

IDENT = "ESMTP CRMService"

MISUSED = 20
"""How often a session may say NOOP, EHLO, STARTTLS and the like."""

ENDLESS = 10
"""A message of so many times the allowed size is not read to its end."""

NO_LIMIT = 1 << 60
_COMMAND_BYTES = 2048
_EVERYTHING = 1 << 30
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

LEAVING = "421 4.3.2 Service shutting down, try again later"
NO_ROOM = "452 4.3.1 Insufficient system storage, try again later"
NOT_NOW = "451 4.3.0 Not stored, try again later"
RELAY = "550 5.7.1 Relaying denied: mail for the technology box alone is taken here"
TOO_LARGE = "552 5.3.4 Message size exceeds the fixed limit of {limit} bytes"
TOO_MUCH = "421 4.7.0 Too many commands without a message"
NEEDS_TLS = "530 5.7.0 Must issue a STARTTLS command first"
NO_TLS_NOW = "454 4.7.0 TLS not available, try again later"


class Session(SMTP):
    """A connection. ``tell`` gets lines for the log: a kind, and what happened."""

    line_length_limit = 64 * 1024  # of what is read at once; a message's lines may be of any length
    command_size_limit = _COMMAND_BYTES

    def __init__(
        self,
        terms: Terms,
        peer: Peer,
        commit: GroupCommit,
        certificate: Certificate,
        tell: Callable[[str, str], None],
        left: Callable[[Session], None],
    ) -> None:
        self.command_size_limits = defaultdict(lambda: _COMMAND_BYTES)  # aiosmtpd's own is one for all sessions
        self._terms, self._peer, self._commit, self._tell, self._left = terms, peer, commit, tell, left
        self._lmtp = False
        self._taking = False
        self._leaving = False
        self._fruitless = 0
        super().__init__(
            _Hooks(terms, self._stumbled),
            data_size_limit=None,
            enable_SMTPUTF8=True,
            hostname=terms.hostname,
            ident=IDENT,
            tls_context=certificate.context(),
            timeout=terms.idle,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            command_call_limit={"*": MISUSED, "MAIL": NO_LIMIT, "RCPT": NO_LIMIT, "DATA": NO_LIMIT, "RSET": NO_LIMIT},
        )

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection, or the same one under TLS, which begins from nothing (RFC 3207 section 4.2)."""
        self._lmtp = False
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The sender is gone."""
        self._left(self)
        super().connection_lost(error)

    def farewell(self) -> None:
        """The service ends: a session that waits for a command is told so, a message at hand is finished first."""
        self._leaving = True
        if not self._taking:
            self._bye()

    def abort(self) -> None:
        """Break off without a word. A TLS transport that was closed twice can't be aborted, what is below it can."""
        transport = self._original_transport or self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.abort()

    def _stumbled(self, error: Exception) -> None:
        self._tell("fault", f"{self._peer}: {type(error).__name__}: {error.__cause__ or error}")

    def _bye(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(f"{LEAVING}\r\n".encode())
            self._writer.close()

    async def push(self, status: AnyStr) -> None:
        """Send a reply; a session that is being closed takes no more commands."""
        if self._writer.is_closing():
            raise asyncio.CancelledError
        await super().push(status)

    # Commands

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, hostname: str) -> None:
        """EHLO of a sender that speaks LMTP and wants an answer for each recipient (RFC 2033)."""
        await super().smtp_EHLO(hostname)
        self._lmtp = True

    async def smtp_EHLO(self, hostname: str) -> None:
        """Greet, and say what is offered."""
        self._lmtp = False
        await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:
        """Begin TLS, once."""
        if self._tls_protocol is not None:
            await self.push("503 5.5.1 TLS is there already")
            return
        await super().smtp_STARTTLS(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Begin a transaction, where nothing stands against it."""
        if self._needs_tls():
            await self.push(NEEDS_TLS if self.tls_context else NO_TLS_NOW)
        elif await self._still_welcome():
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Name a recipient."""
        assert self.envelope is not None
        before = len(self.envelope.rcpt_tos)
        await super().smtp_RCPT(arg)
        if len(self.envelope.rcpt_tos) == before:
            self._tell("recipient", f"{self._peer}: recipient refused: {(arg or '')[:200]}")
            await self._still_welcome()

    async def smtp_AUTH(self, _arg: str) -> None:
        """Nobody signs in here: networks decide who may deliver."""
        await self.push("502 5.5.1 AUTH is not offered")

    async def smtp_VRFY(self, _arg: str) -> None:
        """Say neither yes nor no (RFC 5321 section 7.3)."""
        await self.push("252 2.1.5 Send some mail, I'll try my best")

    def _needs_tls(self) -> bool:
        return self._tls_protocol is None and self._terms.must_encrypt(self._peer)

    async def _still_welcome(self) -> bool:
        """Count a command that brought no message yet; whether the session goes on."""
        self._fruitless += 1
        if self._fruitless <= self._terms.fruitless:
            return True
        await self.push(TOO_MUCH)
        self._tell("flood", f"{self._peer}: {self._fruitless} commands without a message; sent away")
        self._writer.close()
        return False

    # The message

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        """Take a message; the answer is given when it is durable, or refused."""
        assert self.envelope is not None
        if await self.check_helo_needed():
            return
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 No recipient was accepted")
            return
        self._taking = True
        mail = Spool(self._terms.box.max_message_bytes, self._terms.spool)
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._receive(mail)
            reply = await self._answer(mail)
            for _recipient in self.envelope.rcpt_tos if self._lmtp else ("",):
                await self.push(reply)
        finally:
            mail.close()
            self._taking = False
        self.envelope = self._create_envelope()
        if self._leaving:
            self._bye()

    async def _receive(self, mail: Spool) -> None:
        """Read the message to its end. What a sender sends behind it is its next command."""
        dots = Transparency()
        rest: bytes | None = None
        patience = self._terms.idle
        while rest is None:
            begun = self.loop.time()
            self._reset_timeout(patience)
            chunk = await self._reader.read(_EVERYTHING)  # all there is: nothing stays in the reader
            if not chunk:
                raise asyncio.CancelledError  # as aiosmtpd ends a session whose sender hangs up
            # A trickle uses up its time, bytes buy some (TRUST.md C9).
            patience = min(self._terms.idle, patience - (self.loop.time() - begun) + len(chunk) / SLOWEST)
            part, rest = dots.feed(chunk)
            mail.add(part)
            if mail.size > ENDLESS * self._terms.box.max_message_bytes:
                await self.push(self._too_large(mail))
                raise asyncio.CancelledError
        if rest:
            self._reader.feed_data(rest)

    async def _answer(self, mail: Spool) -> str:
        if mail.fault is not None:
            return self._refused(mail.fault)
        if mail.too_large:
            return self._too_large(mail)
        self._reset_timeout(self._terms.storing)
        try:
            number = await self._commit.take(mail)
        except Exception as fault:  # noqa: BLE001 (whatever it was, the sender must keep its message)
            return self._refused(fault)
        self._fruitless = 0
        return f"250 2.0.0 stored as {number}"

    def _too_large(self, mail: Spool) -> str:
        self._tell("size", f"{self._peer}: a message of {mail.size} bytes refused")
        return TOO_LARGE.format(limit=self._terms.box.max_message_bytes)

    def _refused(self, fault: Exception) -> str:
        text = str(fault) if isinstance(fault, CrmServiceError) else f"{type(fault).__name__}: {fault}"
        self._tell("store", f"{self._peer}: not stored, the sender will try again: {text}")
        cause = fault if isinstance(fault, OSError) else fault.__cause__
        return NO_ROOM if isinstance(cause, OSError) and cause.errno in _NO_ROOM else NOT_NOW


class _Hooks:
    """What aiosmtpd asks in the midst of its commands."""

    def __init__(self, terms: Terms, stumbled: Callable[[Exception], None]) -> None:
        self._terms, self._stumbled = terms, stumbled

    async def handle_EHLO(
        self, server: Session, session: Facts, _envelope: Envelope, hostname: str, _offered: list[str]
    ) -> list[str]:
        """What is offered: no AUTH, no HELP."""
        session.host_name = hostname
        offers = [
            self._terms.hostname,
            f"SIZE {self._terms.box.max_message_bytes}",
            "PIPELINING",
            "8BITMIME",
            "SMTPUTF8",
        ]
        if server.tls_context is not None and session.ssl is None:
            offers.append("STARTTLS")
        return [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]

    async def handle_MAIL(
        self, _server: Session, _session: Facts, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Any sender, the empty one of reports too; a size that is announced is believed (RFC 1870)."""
        sizes = [int(option[5:]) for option in options if option.startswith("SIZE=")]
        if any(size > self._terms.box.max_message_bytes for size in sizes):
            return TOO_LARGE.format(limit=self._terms.box.max_message_bytes)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender ok"

    async def handle_RCPT(
        self, _server: Session, _session: Facts, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """The box's own address alone."""
        if not self._terms.is_ours(address):
            return RELAY
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient ok"

    async def handle_exception(self, error: Exception) -> str:
        """A handshake that fails ends here, and an address that aiosmtpd's reader stumbles over."""
        self._stumbled(error)
        return f"451 4.5.0 Command not understood ({type(error).__name__})"
