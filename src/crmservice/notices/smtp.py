"""Sending by SMTP (RFC 5321): verified TLS, every wait bounded, and what went wrong in words without a secret.

A connection is one of two things to blame: ``ServerFault`` (nothing of this server can be sent now, all of it waits) or
the mail at hand (``MailRefused``). The sender in the envelope is errorFrom: the null sender that RFC 3834 section 3.3 allows
is refused by servers that want to know who signed in, and by those that take such mail for bounces alone (BATV).
"""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol, Self, TypeVar

from crmservice.errors import CrmServiceError, TryLater
from crmservice.notices.channel import Channel
from crmservice.sources import quotable
from crmservice.tls import Timeouts, connect, explain, tls_context
from crmservice.words import Words

WAITS = Timeouts(connect=10, read=30, session=120)

# RFC 4954 section 6: who may send is the server's affair and the configuration's, not the mail's.
_SIGN_IN_FIRST = {530, 534, 535, 538}
_SHUTTING_DOWN = 421

Result = TypeVar("Result")


class ServerFault(TryLater):
    """A mail server can't be used now; what waits for it is tried again. ``permanent``: it does not let us in."""


class MailRefused(CrmServiceError):
    """A mail server refused this mail; ``permanent``: for good."""

    permanent = False


class Token(Protocol):
    """Gives OAuth2 access tokens (``microsoft.tokens``)."""

    def __call__(self) -> str:
        """A token to use now. Raises CrmServiceError."""
        ...

    def refused(self, token: str) -> None:
        """A server would not take this one."""
        ...


class Session:
    """A session with a channel's server, for any number of mails; use it as a context. One thread."""

    def __init__(self, channel: Channel, waits: Timeouts = WAITS, token: Token | None = None) -> None:
        self.channel = channel
        self._waits, self._token = waits, token
        self._until = time.monotonic() + waits.session
        self._client: _Client | None = None
        self._secrets: list[str] = []

    def __enter__(self) -> Self:
        """Connect and sign in. Raises ServerFault."""
        try:
            self._within(self._open)
        except (smtplib.SMTPException, OSError, ValueError) as fault:
            self._cut()
            raise self._server_fault(Words("signing in"), fault) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(smtplib.SMTPException, OSError):  # what was sent is sent
            if fault is None:
                self._within(self._quit)
        self._cut()

    def send(self, recipient: str, raw: bytes) -> None:
        """Send one mail. Raises MailRefused, or ServerFault: then the session is of no more use."""
        try:
            self._within(lambda: self._send(recipient, raw))
        except smtplib.SMTPResponseException as fault:
            code = fault.smtp_code
            if code in _SIGN_IN_FIRST or code == _SHUTTING_DOWN or not 400 <= code < 600:
                raise self._server_fault(Words("sending"), fault) from None
            raise self._refused(recipient, fault) from None
        except (smtplib.SMTPException, OSError, ValueError) as fault:
            raise self._server_fault(Words("sending"), fault) from None

    def _open(self) -> None:
        try:
            context = tls_context(self.channel.ca_file)
        except OSError as fault:
            raise ServerFault(
                "tlsCaFile {file} can't be used: {why}", file=self.channel.ca_file, why=fault.strerror or "TLS"
            ) from None
        self._client = client = _Client(self.channel, context, self._waits)
        client.begin()
        if self.channel.server.security == "starttls":
            client.starttls(context=context)
        client.ehlo_or_helo_if_needed()
        if self.channel.login is not None:
            self._sign_in(client)

    def _sign_in(self, client: _Client) -> None:
        login = self.channel.login
        assert login is not None
        offered = client.esmtp_features.get("auth", "").upper().split()
        if login.oauth:
            self._oauth(client, login.name)
            return
        password = login.password.reveal() if login.password else ""
        if "PLAIN" in offered or "LOGIN" not in offered:
            secret = _base64(f"\0{login.name}\0{password}")
            lines = [f"AUTH PLAIN {secret}"]
        else:
            secret = _base64(password)
            lines = ["AUTH LOGIN", _base64(login.name), secret]
        self._secrets = [password, secret]
        client.authenticate(lines)

    def _oauth(self, client: _Client, name: str) -> None:
        """XOAUTH2; a server that explains its refusal gets an empty line, never the token again (CALENDAR A9)."""
        if self._token is None:
            raise ServerFault("no token can be had for {name}; check Config/MicrosoftOAuth.json", name=name)
        token = self._token()
        secret = _base64(f"user={name}\1auth=Bearer {token}\1\1")
        self._secrets = [token, secret]
        try:
            client.authenticate([f"AUTH XOAUTH2 {secret}", ""])
        except smtplib.SMTPAuthenticationError:
            self._token.refused(token)
            raise

    def _send(self, recipient: str, raw: bytes) -> None:
        client = self._client
        assert client is not None
        try:
            _well(client.mail(self.channel.sender))
            _well(client.rcpt(recipient))
            _well(client.data(raw))
        except smtplib.SMTPResponseException:
            with contextlib.suppress(smtplib.SMTPException):  # it said why already
                client.rset()
            raise

    def _quit(self) -> None:
        if self._client is not None:
            self._client.quit()

    def _within(self, work: Callable[[], Result]) -> Result:
        """Do it in what is left of the session's time. Raises TimeoutError, and whatever the work raises."""
        try:
            return within(self._until - time.monotonic(), work)
        except TimeoutError:
            self._cut()
            raise

    def _cut(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.cut()

    def _refused(self, recipient: str, fault: smtplib.SMTPResponseException) -> MailRefused:
        return MailRefused(
            "SMTP, sending to {recipient} by {server}: it says “{said}”",
            recipient=recipient, server=self._server, said=self._said(fault), permanent=fault.smtp_code >= 500,
        )  # fmt: skip

    def _server_fault(self, doing: Words, fault: Exception) -> ServerFault:
        if isinstance(fault, CrmServiceError):
            why: object = fault.words
        elif isinstance(fault, smtplib.SMTPNotSupportedError):
            why = Words("it offers no STARTTLS; use port 465, or allowInsecure=true where the network is trusted")
        elif isinstance(fault, smtplib.SMTPAuthenticationError):
            why = Words("it says “{said}”; {advice}", said=self._said(fault), advice=self._advice())
        elif isinstance(fault, smtplib.SMTPResponseException):
            why = Words("it says “{said}”", said=self._said(fault))
        else:
            why = explain(_cause(fault))
        refused = isinstance(fault, smtplib.SMTPAuthenticationError)
        return ServerFault(
            "SMTP, {doing} at {server}: {why}", doing=doing, server=self._server, why=why, permanent=refused
        )

    def _advice(self) -> Words:
        if self.channel.login is not None and self.channel.login.oauth:
            return Words("check SMTP.SendAsApp, and the application's right to the mailbox")
        return Words("check smtpName and smtpPassword")

    @property
    def _server(self) -> str:
        return f"{self.channel.server.host}:{self.channel.server.port}"

    def _said(self, fault: smtplib.SMTPResponseException) -> str:
        said = fault.smtp_error.decode("utf-8", "replace") if isinstance(fault.smtp_error, bytes) else fault.smtp_error
        return quotable(f"{fault.smtp_code} {said}".replace("\n", " "), self._secrets)


class _Client(smtplib.SMTP):
    """smtplib over our own connection: verified, with bounded waits, no look-up of our own name."""

    def __init__(self, channel: Channel, context: ssl.SSLContext, waits: Timeouts) -> None:
        super().__init__(local_hostname=_helo(channel.sender), timeout=waits.read)
        self._channel, self._context, self._waits = channel, context, waits
        self._host = channel.server.host
        self._ended = False

    def begin(self) -> None:
        """Connect and hear the greeting."""
        code, said = self.connect(self._channel.server.host, self._channel.server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 (smtplib's hook)
        context = self._context if self._channel.server.security == "tls" else None
        sock = connect(host, port, self._waits, context)
        if self._ended:  # nobody waits for it any more
            sock.close()
            raise TimeoutError
        return sock

    def authenticate(self, lines: list[str]) -> None:
        """AUTH, line by line as the server asks for them (RFC 4954). Raises SMTPAuthenticationError."""
        for line in lines:
            code, said = self.docmd(line)
            if code != 334:
                break
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, said)

    def cut(self) -> None:
        """End the connection at once, from whatever thread: who waits on it hears the end."""
        self._ended = True
        if self.sock is not None:
            with contextlib.suppress(OSError):  # it is gone already
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        self.close()


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Do the work in a thread of its own and wait so long for it (a look-up of a name has no time limit).

    Raises TimeoutError, and whatever the work raises.
    """
    answers: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except BaseException as fault:  # noqa: BLE001 (raised again by who waits)
            answers.put((None, fault))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, fault = answers.get(timeout=max(seconds, 0.0))
    except Empty:
        raise TimeoutError from None
    if fault is not None:
        raise fault
    return result  # type: ignore[return-value]  # None only where the work gives None


def _well(answer: tuple[int, bytes]) -> None:
    """Raise SMTPResponseException unless the server is content."""
    if not 200 <= answer[0] < 300:
        raise smtplib.SMTPResponseException(*answer)


def _helo(sender: str) -> str:
    """Our name for EHLO, without asking the DNS: the machine's, in the sender's domain where it has none."""
    name = socket.gethostname()
    name = name if "." in name else f"{name}.{sender.rpartition('@')[2]}"
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _cause(fault: Exception) -> Exception:
    """What the system or TLS said, below smtplib's own error; a connection that just ended is one broken off."""
    if isinstance(fault, smtplib.SMTPServerDisconnected):
        return fault.__context__ if isinstance(fault.__context__, OSError) else ConnectionError()
    return fault
