"""An HTTP client within bounds: verified TLS, no redirects, no answer that never ends.

httpx's read timeout begins anew with each byte: a server that sends one a minute could hold a worker for days
(TRUST C10). Here silence ends an exchange after ``read`` seconds, a trickle after ``session``.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpx

from crmservice.tls import SLOWEST, Timeouts, tls_context


def client(timeouts: Timeouts, at_once: int = 1) -> httpx.Client:
    """A client with at most ``at_once`` connections; the proxies of the environment hold (HTTPS_PROXY, NO_PROXY).

    Nothing is compressed on its way: the cap of a message counts bytes as they come.
    """
    made = httpx.Client(
        verify=tls_context(),
        timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect),
        limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        headers={"Accept-Encoding": "identity", "User-Agent": "CRMService"},
        follow_redirects=False,
    )
    for transport in (made._transport, *made._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool: Any = transport._pool
            pool._network_backend = _Patient(pool._network_backend, timeouts.session)
    return made


def cause(error: Exception) -> Exception:
    """The operating system's or TLS's own error under the client's, as far as there is one."""
    if isinstance(error, httpx.TimeoutException):
        return TimeoutError()
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found if isinstance(found, OSError) else error


# The two below stand in the place of httpcore's NetworkBackend and NetworkStream, which httpx asks for nothing else.


class _Patient:
    """Opens connections whose answers end."""

    def __init__(self, inner: Any, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _Stream:
        """A connection to this server."""
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options), self._seconds)


class _Stream:
    """A connection; each request may wait ``seconds`` in all while little comes back (``tls.Patience``'s measure)."""

    def __init__(self, inner: Any, seconds: float) -> None:
        self._inner, self._seconds, self._left = inner, seconds, seconds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes. Raises TimeoutError where there was nothing left to wait."""
        if self._left <= 0:
            raise TimeoutError
        begun = time.monotonic()
        data: bytes = self._inner.read(max_bytes, self._left if timeout is None else min(timeout, self._left))
        waited = time.monotonic() - begun
        self._left = min(self._seconds, self._left - waited + len(data) / SLOWEST)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a request, or a piece of one; waiting begins anew."""
        self._left = self._seconds
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        """End the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        """The same connection under TLS."""
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._seconds)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection: whether it is still there, its socket."""
        return self._inner.get_extra_info(info)
