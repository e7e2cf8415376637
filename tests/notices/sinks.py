"""Mail servers for the tests: aiosmtpd as a real one, and stubs that refuse, break off or say nothing."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from tests.support.stub import Talk


@dataclass
class Sink:
    """What a server took: envelopes in order. ``answers``: what it says to a recipient, or to the data, instead of 250."""

    mails: list[Envelope] = field(default_factory=list)
    recipients: dict[str, str] = field(default_factory=dict)
    data: str = "250 OK"
    logins: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.recipients:
            return self.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.data.startswith("250"):
            self.mails.append(envelope)
        return self.data

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
        if isinstance(data, LoginPassword):
            self.logins.append((mechanism, data.login, data.password))
            return AuthResult(success=data.password == "heslo ř".encode(), handled=False)
        return AuthResult(success=False, handled=False)

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """As Exchange Online: a refusal is explained by a 334 that wants an empty line."""
        said = base64.b64decode(args[1])
        self.logins.append(("XOAUTH2", said, b""))
        if b"auth=Bearer good\1" in said:
            return AuthResult(success=True)
        await server.push("334 eyJzdGF0dXMiOiI0MDAifQ==")
        self.logins.append(("XOAUTH2", (await server._reader.readline()).rstrip(), b""))
        return AuthResult(success=False, handled=False)


class _Controller(Controller):
    """On a socket that is bound already, to a port that the kernel chose."""

    def __init__(self, handler: Any, **options: Any) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        super().__init__(handler, hostname="127.0.0.1", port=port, server_hostname="sink.test", **options)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self.listener, ssl=self.ssl_context)


@contextlib.contextmanager
def sink(
    taken: Sink | None = None, *, pair: tuple[Path, Path] | None = None, tls: bool = False, login: bool = False
) -> Iterator[Sink]:
    """aiosmtpd on a free port. ``pair``: a certificate, for STARTTLS, or with ``tls`` from the first byte on."""
    taken = taken or Sink()
    context = None
    if pair is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
    options: dict[str, Any] = {"auth_require_tls": pair is not None and not tls}
    if login:
        options["authenticator"] = taken.authenticate
    if tls:
        options["ssl_context"] = context
    elif context is not None:
        options |= {"tls_context": context, "require_starttls": True, "auth_required": login}
    controller = _Controller(taken, **options)
    controller.start()
    taken.port = controller.port
    try:
        yield taken
    finally:
        controller.stop()


def says(**answers: bytes | None) -> Callable[[Talk], None]:
    """A stub: for each command (``greeting`` too) a line to say, None to break off; else it is content."""

    def talk(conversation: Talk) -> None:
        if answers.get("greeting", b"") is None:
            return
        conversation.send(answers.get("greeting") or b"220 stub")
        while True:
            command = conversation.line().partition(b" ")[0].decode().lower()
            answer = answers.get(command, b"354 go on" if command == "data" else b"250 ok")
            if answer is None:
                return
            conversation.send(answer)
            if command == "data" and answer.startswith(b"354"):
                while conversation.line() != b".":
                    pass
                conversation.send(answers.get("end") or b"250 taken")
            if command == "quit":
                return

    return talk


def silence(asked: threading.Event) -> Callable[[Talk], None]:
    """A stub that takes the connection and says nothing until the test ends."""

    def talk(conversation: Talk) -> None:
        asked.set()
        while True:
            conversation.line()

    return talk
