"""STARTTLS (RFC 3207): what is offered, what is needed, and a certificate that is renewed (TRUST.md B30)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from crmservice.sources.smtp_in import CantListen
from crmservice.sources.smtp_in.certificate import Certificate, try_certificate
from crmservice.sources.smtp_in.terms import Peer, Terms
from tests.support.certificates import Certificates, make_certificates
from tests.support.listening import BOX, Sender, listening, terms


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture
def pair(certificates: Certificates, tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key, to be renewed or spoiled."""
    cert, key = certificates.pair("good")
    return Path(shutil.copy(cert, tmp_path / "cert.pem")), Path(shutil.copy(key, tmp_path / "key.pem"))


@pytest.fixture
def encrypted(pair: tuple[Path, Path], tmp_path: Path) -> Terms:
    return terms(tmp_path, replace(BOX, smtp_listen_cert=pair[0], smtp_listen_key=pair[1]))


class FromFar(Terms):
    """Terms to which every peer is another machine."""

    __slots__ = ()

    def must_encrypt(self, peer: Peer) -> bool:
        return Terms.must_encrypt(self, ip_address("192.0.2.1"))


def from_far(terms: Terms) -> Terms:
    return FromFar(terms.box, terms.spool, watch=terms.watch)


def begin_tls(sender: Sender) -> None:
    assert sender.say("STARTTLS").startswith("220")
    sender.tls()


def test_a_mail_comes_over_tls(encrypted: Terms) -> None:
    with listening(encrypted) as running:
        sender = running.connect()
        assert sender.greet().split("\n")[-1] == "250 STARTTLS"
        begin_tls(sender)
        assert "STARTTLS" not in sender.say("EHLO me")
        assert sender.deliver(b"secret\r\n") == "250 2.0.0 stored as 1"
        assert sender.say("QUIT") == "221 Bye"
        assert running.store.mails == [b"secret\r\n"]
        assert running.told == []


def test_lmtp_comes_over_tls_too(encrypted: Terms) -> None:
    with listening(from_far(encrypted)) as running:
        sender = running.sender("LHLO me")
        begin_tls(sender)
        assert sender.say("LHLO me").startswith("250")
        assert sender.deliver(b"x\r\n", "crm@firma.cz", "crm+1@firma.cz").startswith("250 2.0.0")
        assert sender.reply().startswith("250 2.0.0")


def test_a_sender_begins_anew_under_tls(encrypted: Terms) -> None:
    with listening(encrypted) as running:
        sender = running.sender()
        sender.say("MAIL FROM:<eva@acme.cz>")
        begin_tls(sender)
        assert sender.say("RCPT TO:<crm@firma.cz>").startswith("503")
        assert sender.say("STARTTLS").startswith("503")


def test_what_was_sent_in_the_clear_before_tls_does_not_count(encrypted: Terms) -> None:
    with listening(encrypted) as running:
        sender = running.sender()
        sender.raw(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@acme.cz>\r\n")
        assert sender.reply().startswith("220")
        sender.tls()
        assert sender.say("RCPT TO:<crm@firma.cz>").startswith("503")


def test_a_handshake_that_fails_ends_that_session_alone(encrypted: Terms) -> None:
    with listening(encrypted) as running:
        sender = running.sender()
        assert sender.say("STARTTLS").startswith("220")
        sender.raw(b"no TLS at all\r\n" * 100)
        while sender.reply():
            pass
        assert running.sender().deliver(b"x\r\n").startswith("250")
        (told,) = running.told
    assert told.startswith("127.0.0.1: TLSSetupException: [SSL: ")


def test_another_machine_must_use_tls(encrypted: Terms) -> None:
    with listening(from_far(encrypted)) as running:
        sender = running.sender()
        assert sender.say("MAIL FROM:<eva@acme.cz>").startswith("530 5.7.0 ")
        begin_tls(sender)
        sender.say("EHLO me")
        assert sender.deliver(b"x\r\n").startswith("250")


def test_another_machine_keeps_its_mail_while_there_is_no_good_certificate(
    encrypted: Terms, pair: tuple[Path, Path]
) -> None:
    pair[1].write_text("spoiled")
    with listening(from_far(encrypted)) as running:
        sender = running.connect()
        assert "STARTTLS" not in sender.greet()
        assert sender.say("MAIL FROM:<eva@acme.cz>").startswith("454 4.7.0 ")
        assert len(running.told) == 1
        assert "smtpListenCert" in running.told[0]


@pytest.mark.parametrize(
    ("peer", "insecure", "must"),
    [("127.0.0.1", False, False), ("::1", False, False), ("192.0.2.1", False, True), ("192.0.2.1", True, False)],
)
def test_tls_is_needed_on_every_line(tmp_path: Path, peer: str, insecure: bool, must: bool) -> None:
    box = replace(BOX, allow_insecure=insecure)
    assert Terms(box, tmp_path).must_encrypt(ip_address(peer)) is must


def test_a_renewed_certificate_is_used_by_the_next_session(
    encrypted: Terms, pair: tuple[Path, Path], certificates: Certificates
) -> None:
    with listening(encrypted) as running:
        before = shown(running.sender())
        for old, new in zip(pair, certificates.pair("self_signed"), strict=True):
            shutil.copy(new, old)
        after = shown(running.sender())
        assert before != after


def shown(sender: Sender) -> bytes:
    """The certificate that a sender is shown."""
    begin_tls(sender)
    found = sender.sock.getpeercert(binary_form=True)  # type: ignore[attr-defined]
    assert found
    return bytes(found)


def test_a_certificate_that_is_spoiled_leaves_the_last_good_one(pair: tuple[Path, Path]) -> None:
    told: list[CantListen] = []
    certificate = Certificate(replace(BOX, smtp_listen_cert=pair[0], smtp_listen_key=pair[1]), told.append)
    good = certificate.context()
    content = pair[0].read_bytes()
    pair[0].write_bytes(b"")
    assert [certificate.context(), certificate.context()] == [good, good]
    pair[0].unlink()
    assert certificate.context() is good
    assert [str(fault).partition(": ")[2] for fault in told] == [
        "it must hold a certificate in PEM form, and it or smtpListenKey the private key without a password",
        f"{pair[0]}: No such file or directory",
    ]
    pair[0].write_bytes(content)
    assert certificate.context() not in (None, good)
    assert len(told) == 2
    assert {fault.notice for fault in told} == {"smtp-certificate"}


def test_a_certificate_is_not_read_again_while_it_stays(pair: tuple[Path, Path]) -> None:
    told: list[CantListen] = []
    certificate = Certificate(replace(BOX, smtp_listen_cert=pair[0], smtp_listen_key=pair[1]), told.append)
    assert certificate.context() is certificate.context()
    assert told == []


def test_certificate_and_key_may_be_in_one_file(pair: tuple[Path, Path]) -> None:
    pair[0].write_bytes(pair[0].read_bytes() + pair[1].read_bytes())
    try_certificate(replace(BOX, smtp_listen_cert=pair[0]))


def test_the_key_of_another_certificate_is_told(pair: tuple[Path, Path], certificates: Certificates) -> None:
    box = replace(BOX, smtp_listen_cert=pair[0], smtp_listen_key=certificates.pair("expired")[1])
    with pytest.raises(CantListen, match="certificate and key do not belong together"):
        try_certificate(box)


def test_no_certificate_is_no_fault() -> None:
    try_certificate(BOX)
