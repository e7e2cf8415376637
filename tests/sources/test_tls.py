"""Whom the service believes (TRUST B31): each wrong certificate is refused before any credential is sent."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crmservice.config import Box, Endpoint, Login, Secret
from crmservice.config.values import Security
from crmservice.sources import Source, SourceError, open_sources
from crmservice.tls import SLOWEST, Patience, Timeouts, explain, tls_context
from tests.support.certificates import Certificates, make_certificates
from tests.support.stub import ImapStub, Pop3Stub, Talk, serve

QUICK = Timeouts(2, 2, 5)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ca") / "certificates")


def over_tls(inner: Callable[[Talk], None], certificates: Certificates, kind: str) -> Callable[[Talk], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.pair(kind))

    def handler(talk: Talk) -> None:
        with contextlib.suppress(OSError):
            talk.sock = context.wrap_socket(talk.sock, server_side=True)
            with talk.sock:
                inner(talk)

    return handler


def box(port: int, kind: str, ca: Path | None, host: str = "127.0.0.1", security: Security = "tls") -> Box:
    endpoint, login = Endpoint(host, port, security), Login("crm", Secret("S3CR3T-CANARY-7f"))
    if kind == "pop3":
        return Box("crm", "crm@firma.cz", pop3=endpoint, pop3_login=login, tls_ca_file=ca)
    return Box("crm", "crm@firma.cz", imap=endpoint, imap_login=login, tls_ca_file=ca)


def only(one: Box) -> Source:
    (source,) = open_sources(one, QUICK)
    return source


STUBS: dict[str, Callable[[], Callable[[Talk], None]]] = {"pop3": lambda: Pop3Stub([]), "imap": lambda: ImapStub({})}


@pytest.mark.parametrize("kind", ["pop3", "imap"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_of_the_named_ca_for_the_host_is_believed(
    certificates: Certificates, kind: str, host: str
) -> None:
    with serve(over_tls(STUBS[kind](), certificates, "good")) as (port, _):
        source = only(box(port, kind, certificates.ca, host))
        assert list(source.fetch(lambda _id: False, 1000)) == []
        source.close()


@pytest.mark.parametrize("kind", ["pop3", "imap"])
@pytest.mark.parametrize(
    ("certificate", "advice"),
    [
        ("wrong_host", "as it stands in the certificate"),
        ("expired", "have it renewed"),
        ("self_signed", "tlsCaFile"),
        ("good without the CA", "tlsCaFile"),
    ],
)
def test_any_other_certificate_is_refused_without_a_credential(
    certificates: Certificates, kind: str, certificate: str, advice: str
) -> None:
    ca = None if "without" in certificate else certificates.ca
    with serve(over_tls(STUBS[kind](), certificates, certificate.partition(" ")[0])) as (port, received):
        source = only(box(port, kind, ca))
        with pytest.raises(SourceError, match="certificate is refused") as caught:
            list(source.fetch(lambda _id: False, 1000))
        source.close()
    assert bytes(received) == b""
    assert not caught.value.permanent
    assert advice in str(caught.value)


@pytest.mark.parametrize("kind", ["pop3", "imap"])
def test_a_server_without_tls_where_tls_is_due_gets_nothing(certificates: Certificates, kind: str) -> None:
    with serve(STUBS[kind]()) as (port, received):
        source = only(box(port, kind, certificates.ca))
        with pytest.raises(SourceError, match="does not speak TLS"):
            list(source.fetch(lambda _id: False, 1000))
        source.close()
    assert b"S3CR3T" not in received


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "in time"),
        (ConnectionRefusedError(111, "refused"), "refuses"),
        (ConnectionResetError(), "broke"),
        (socket.gaierror(-2, "unknown"), "DNS"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (OSError(), "log"),
        (ssl.SSLError(), "TLS 1.2"),
        (ssl.SSLCertVerificationError(), "certificate"),
    ],
)
def test_what_broke_is_said_with_what_to_do(error: OSError, word: str) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message, error.verify_code = "certificate is not yet valid", 9
    said = str(explain(error))
    assert word in said
    assert any(advice in said for advice in ("; check ", "; try "))


def test_bytes_buy_time_and_waiting_spends_it() -> None:
    patience = Patience(Timeouts(1, 1, 0.05))
    here, there = socket.socketpair()
    with here, there:
        with patience.waiting(here):
            time.sleep(0.06)
        with pytest.raises(TimeoutError), patience.waiting(here):
            pass
        patience.heard(SLOWEST)
        with patience.waiting(here):
            assert here.gettimeout() == pytest.approx(0.05)


def test_old_tls_is_not_spoken() -> None:
    assert tls_context().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("content", [b"no certificate", None])
def test_a_file_of_cas_that_can_not_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceError, match="tlsCaFile") as caught:
        open_sources(box(1, "imap", file))
    assert caught.value.permanent
    assert str(file) in str(caught.value)


def test_a_box_has_its_sources_in_the_order_of_reading(tmp_path: Path) -> None:
    server, login = Endpoint("localhost", 1, "tls"), Login("crm", Secret("x"))
    one = Box("crm", "crm@firma.cz", eml_dir=tmp_path, pop3=server, pop3_login=login, imap=server, imap_login=login)
    assert [source.name for source in open_sources(one)] == ["emlDir", "pop3", "imap"]
    assert [source.remote for source in open_sources(one)] == [False, True, True]
    assert open_sources(Box("crm", "crm@firma.cz")) == ()
