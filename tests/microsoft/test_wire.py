"""The HTTP client: whom it believes, and by whom it goes."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from crmservice.microsoft import wire
from crmservice.tls import Timeouts, explain
from tests.support.certificates import make_certificates
from tests.support.stub import Talk, serve

QUICK = Timeouts(connect=5, read=5, session=5)


def answering(body: bytes) -> Callable[[Talk], None]:
    """Answers any request with this body; the first line of each is kept by the stub."""

    def handler(talk: Talk) -> None:
        while talk.line():
            pass
        talk.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    return handler


@pytest.mark.parametrize("kind", ["self_signed", "wrong_host", "good"])
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, kind: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificates(tmp_path / "ca").pair(kind))

    def handler(talk: Talk) -> None:
        context.wrap_socket(talk.sock, server_side=True)

    with serve(handler) as (port, received), wire.client(QUICK) as client:
        with pytest.raises(httpx.HTTPError) as caught:
            client.get(f"https://localhost:{port}/", headers={"Authorization": "Bearer secret"})
        assert "its certificate is refused" in str(explain(wire.cause(caught.value)))
        assert received == b""


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serve(answering(b"by proxy")) as (port, received):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        with wire.client(QUICK) as client:
            assert client.get("http://graph.example/v1.0/x").content == b"by proxy"
        assert received.startswith(b"GET http://graph.example/v1.0/x HTTP/1.1\r\n")


@pytest.mark.parametrize("by_proxy", [False, True])
def test_an_answer_that_trickles_ends_in_time(monkeypatch: pytest.MonkeyPatch, by_proxy: bool) -> None:
    def trickle(talk: Talk) -> None:
        while talk.line():
            pass
        talk.raw(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            talk.raw(b"x")
            time.sleep(0.05)

    with serve(trickle) as (port, _), wire.client(replace(QUICK, session=0.2)) as direct:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        with wire.client(replace(QUICK, session=0.2)) as proxied, pytest.raises((httpx.HTTPError, TimeoutError)):
            (proxied if by_proxy else direct).get(f"http://127.0.0.1:{port}/")


def test_it_follows_no_redirect_and_asks_for_nothing_compressed() -> None:
    def handler(talk: Talk) -> None:
        while talk.line():
            pass
        talk.raw(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")

    with serve(handler) as (port, received), wire.client(QUICK) as client:
        assert client.get(f"http://127.0.0.1:{port}/").status_code == 302
        assert b"accept-encoding: identity\r\n" in bytes(received).lower()
