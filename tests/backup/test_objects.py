"""An object store keeps the contract of every home of raw mail; tried against moto's S3."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crmservice.backup import BackupFailed, RawMail
from crmservice.backup.in_flight import InFlight
from crmservice.backup.objects import Objects, Patience, StoreAway, open_store
from crmservice.config import Settings
from crmservice.config.values import Secret
from crmservice.testing.raw_mail_contract import DAY, RawMailContract
from tests.support import moto
from tests.support.dovecot import free_port
from tests.support.moto import store

__all__ = ["store"]

QUICK = Patience(connect=1, request=2, retries=0, in_all=2)


def settings(home: Path, endpoint: str, prefix: str, bucket: str = moto.BUCKET) -> Settings:
    return Settings(
        home,
        mail_store=f"s3://{bucket}/{prefix}".rstrip("/"),
        mail_store_endpoint=endpoint,
        mail_store_key=Secret(moto.KEY),
        mail_store_secret=Secret(moto.SECRET),
    )


@pytest.mark.server
class TestObjects(RawMailContract):
    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path, store: moto.Store) -> None:
        self.home, self.store, self.prefix = tmp_path, store, f"firma/{uuid.uuid4()}"

    def raw_mail(self) -> RawMail:
        opened = open_store(settings(self.home, self.store.endpoint, self.prefix))
        return Objects(opened, InFlight(self.home, "crm"), [moto.KEY, moto.SECRET])

    def test_two_prefixes_are_two_homes(self, tmp_path: Path) -> None:
        self.raw_mail().keep([b"one"], DAY)
        other = Objects(open_store(settings(tmp_path, self.store.endpoint, f"{self.prefix}-2")))
        assert other.days() == []

    def test_more_mails_than_a_page_of_the_store_are_listed(self) -> None:
        home = self.raw_mail()
        mails = {f"POP3Downloads/2026-03-02/{uuid.uuid4()}.eml": b"%d" % n for n in range(1100)}
        home.put(mails)
        assert {found.path for found in home.files("2026-03-02")} == set(mails)
        home.remove(list(mails))
        assert home.days() == []

    def test_a_bucket_that_there_is_not_promises_nothing(self, tmp_path: Path) -> None:
        home = Objects(
            open_store(settings(tmp_path, self.store.endpoint, "", "nobodys"), QUICK), InFlight(tmp_path, "b")
        )
        with pytest.raises(BackupFailed, match="can't be written"):
            home.keep([b"one", b"two"], DAY)
        assert len(home.unsettled()) == 2  # noted, so that the next run looks


@pytest.mark.parametrize("mails", [[b"one"], [b"one", b"two", b"three"]])
def test_a_store_that_is_away_promises_nothing_and_says_no_secret(tmp_path: Path, mails: list[bytes]) -> None:
    away = settings(tmp_path, f"http://127.0.0.1:{free_port()}", "")
    home = Objects(open_store(away, QUICK), InFlight(tmp_path, "crm"), [moto.KEY, moto.SECRET])
    with pytest.raises(BackupFailed) as failed:
        home.keep(mails, date(2026, 3, 2))
    assert len(home.unsettled()) == len(mails)
    path = home.unsettled()[0]
    said = [str(failed.value)]
    asked: list[Callable[[], object]] = [
        lambda: home.read(path),
        lambda: home.size(path),
        lambda: home.checksum(path),
        lambda: list(home.files("2026-03-02")),
        home.days,
    ]
    for ask in asked:
        with pytest.raises(StoreAway) as gone:
            ask()
        said.append(str(gone.value))
    for change in (lambda: home.replace(path, b""), lambda: home.remove([path]), lambda: home.settle([path])):
        with pytest.raises(BackupFailed) as failed:
            change()
        said.append(str(failed.value))
    assert [text for text in said if moto.KEY in text or moto.SECRET in text] == []


def test_what_a_store_says_is_quoted_without_the_key_it_repeats(tmp_path: Path) -> None:
    home = Objects(open_store(settings(tmp_path, "http://127.0.0.1:1", "")), secrets=[moto.KEY])
    assert (
        home._said(Exception(f"InvalidAccessKeyId: <Id>{moto.KEY}</Id>\n no")) == "InvalidAccessKeyId: <Id>***</Id> no"
    )
