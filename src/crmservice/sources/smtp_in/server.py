"""Listening for senders until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from crmservice.config.parse import host_port
from crmservice.sources.smtp_in import CantListen
from crmservice.sources.smtp_in.certificate import Certificate
from crmservice.sources.smtp_in.commit import GroupCommit, Store
from crmservice.sources.smtp_in.door import REFUSALS, Door, peer_of
from crmservice.sources.smtp_in.session import IDENT, Session
from crmservice.sources.smtp_in.terms import Terms
from crmservice.words import library_words

Tell = Callable[[str], None]
Wrong = Callable[[CantListen], object]


def bound(address: str) -> socket.socket:
    """A socket bound to ``address:port`` (``[::]`` takes IPv4 too where the system can). Raises CantListen."""
    host, port = host_port(address)
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(where[:2], family=family, backlog=128, dualstack_ipv6=both)
    except OSError as fault:
        # create_server adds the address to what the system says, a name that is not known has numbers of its own.
        number = 0 if isinstance(fault, socket.gaierror) else fault.errno
        why = library_words(os.strerror(number) if number else fault.strerror or str(fault))
        raise CantListen(
            "smtpListen {address} can't be listened at: {why}", permanent=False, address=address, why=why
        ) from fault


def try_listening(address: str, seconds: float = 5.0) -> None:
    """Raises CantListen where ``address:port`` can't be listened at, and it is not our own service that has it."""
    try:
        bound(address).close()
    except CantListen:
        if not _is_ours(address, seconds):
            raise


def _is_ours(address: str, seconds: float) -> bool:
    """Whether who listens there greets as we do, or sends us away as we do."""
    with contextlib.suppress(OSError), socket.create_connection(host_port(address), timeout=seconds) as sock:
        with sock.makefile("rb") as stream:
            said = stream.readline(1000).decode("latin-1").rstrip()
        return said.endswith(f" {IDENT}") or said in REFUSALS
    return False


async def serve(
    sock: socket.socket, terms: Terms, store: Store, tell: Tell, wrong: Wrong, stop: Callable[[], bool]
) -> None:
    """Take mail at a bound socket until ``stop`` says so; a message at hand is finished first.

    ``tell`` gets lines for the log, ``wrong`` what an administrator must mend; neither may wait.
    """
    logging.getLogger("mail.log").disabled = True  # aiosmtpd writes there what strangers say
    asyncio.get_running_loop().set_exception_handler(_handler(tell))
    commit = GroupCommit(store, tell)
    door: Door[Session] = Door(terms)
    certificate = Certificate(terms.box, wrong)
    sparing = Sparing(tell)
    server = await asyncio.get_running_loop().create_server(
        lambda: Doorman(terms, door, commit, certificate, sparing), sock=sock
    )
    working = asyncio.create_task(commit.run())
    try:
        while not (stop() or working.done()):  # noqa: ASYNC110 (a signal sets it, or a test)
            await asyncio.sleep(terms.watch)
    finally:
        server.close()
        await _part(door, terms.farewell)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


async def _part(door: Door[Session], seconds: float) -> None:
    """Tell everybody that we leave; whoever is not through in time is cut off, and comes again."""
    for session in list(door.inside):
        session.farewell()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(door.empty.wait(), seconds)
    for session in list(door.inside):
        session.abort()
    await asyncio.sleep(0)


class Doorman(asyncio.Protocol):
    """Meets a connection, and hands it to a session or sends it away."""

    def __init__(
        self,
        terms: Terms,
        door: Door[Session],
        commit: GroupCommit,
        certificate: Certificate,
        tell: Callable[[str, str], None],
    ) -> None:
        self._terms, self._door, self._commit, self._certificate, self._tell = terms, door, commit, certificate, tell

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a peer in, or say why not and close."""
        assert isinstance(transport, asyncio.Transport)
        name = transport.get_extra_info("peername")
        if name is None:  # gone already
            transport.abort()
            return
        peer = peer_of(name[0])
        if refusal := self._door.refusal(peer):
            self._tell(refusal[:9], f"{peer}: sent away: {refusal}")
            transport.write(f"{refusal}\r\n".encode())
            transport.close()
            return
        # asyncio does it only for sockets that name their protocol; a greeting of five lines took 40 ms without it.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = Session(self._terms, peer, self._commit, self._certificate, self._tell, self._door.leave)
        self._door.enter(session, peer)
        transport.set_protocol(session)
        session.connection_made(transport)


class Sparing:
    """Tells the first of a kind, then one a minute with the number of those that were not told: nobody fills the log."""

    def __init__(self, tell: Tell, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._seconds, self._clock = tell, seconds, clock
        self._last: dict[str, tuple[float, int]] = {}

    def __call__(self, kind: str, text: str) -> None:
        """Tell it, or count it."""
        now = self._clock()
        told, more = self._last.get(kind, (-self._seconds, 0))
        if now - told < self._seconds:
            self._last[kind] = (told, more + 1)
            return
        self._last[kind] = (now, 0)
        self._tell(f"{text} (and {more} more like this)" if more else text)


def _handler(tell: Tell) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """What asyncio would write to the terminal goes to the log; a sender that hangs up is no news."""

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if not isinstance(fault, ConnectionError):
            tell(f"{context.get('message')}: {type(fault).__name__}: {fault}" if fault else str(context.get("message")))

    return handle
