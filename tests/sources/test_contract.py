from __future__ import annotations

from pathlib import Path

import pytest

from crmservice.config import Endpoint, Login, Secret
from crmservice.sources import Source
from crmservice.sources.eml_folder import EmlFolder
from crmservice.sources.imap import ImapSource
from crmservice.sources.pop3 import Pop3Source
from crmservice.testing.source_contract import ListingContract
from crmservice.tls import Timeouts, tls_context
from tests.support.dovecot import Dovecot

WAITS = Timeouts(5, 10, 60)


class TestEmlFolder(ListingContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.count = 0

    def put(self, data: bytes) -> None:
        self.count += 1
        (self.folder / f"{self.count:04}.eml").write_bytes(data)

    def source(self) -> Source:
        return EmlFolder(self.folder, sleep=lambda _seconds: None)

    def left(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]


class OnDovecot(ListingContract):
    @pytest.fixture(autouse=True)
    def _mailbox(self, server: Dovecot) -> None:
        self.server = server
        self.count = 0
        server.empty()

    def put(self, data: bytes) -> None:
        self.count += 1
        self.server.deliver(data, name=f"{1_700_000_000 + self.count}.M{self.count}.test")

    def left(self) -> list[bytes]:
        return self.server.left()

    def login(self) -> Login:
        return Login("crm@firma.cz", Secret(self.server.password))


@pytest.mark.server
class TestPop3OverTls(OnDovecot):
    def source(self) -> Source:
        endpoint = Endpoint("localhost", self.server.ports["pop3s"], "tls")
        return Pop3Source(endpoint, self.login(), tls_context(self.server.certificates.ca), WAITS)


@pytest.mark.server
class TestPop3OverStls(OnDovecot):
    def source(self) -> Source:
        endpoint = Endpoint("localhost", self.server.ports["pop3"], "starttls")
        return Pop3Source(endpoint, self.login(), tls_context(self.server.certificates.ca), WAITS)


@pytest.mark.server
class TestImapOverTls(OnDovecot):
    def source(self) -> Source:
        endpoint = Endpoint("localhost", self.server.ports["imaps"], "tls")
        return ImapSource(endpoint, self.login(), tls_context(self.server.certificates.ca), WAITS)


@pytest.mark.server
class TestImapOverStartTls(OnDovecot):
    def source(self) -> Source:
        endpoint = Endpoint("localhost", self.server.ports["imap"], "starttls")
        return ImapSource(endpoint, self.login(), tls_context(self.server.certificates.ca), WAITS)
