"""Raw mail in an object store (S3 and what speaks like it), by obstore: the extra ``s3``.

An object that was put is durable when the store has answered, and each is sent with its SHA-256, which the store compares with
what it got. Names are those of the folder, below the prefix of ``mail_store``. What is on its way is noted in the home, as for
the folder: the note is of who works on the box.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from crmservice.backup import FOLDER, BackupFailed, Found, Kept
from crmservice.backup.in_flight import InFlight, left_by
from crmservice.config.values import Settings
from crmservice.errors import TryLater
from crmservice.words import system_words

if TYPE_CHECKING:
    from obstore.store import S3Config

AT_ONCE = 8
"""Requests at the same time: each waits for the network."""

BLOCK = 1024 * 1024
MOST_SAID = 300
"""Characters of a fault that are quoted."""

REGION = "us-east-1"

T = TypeVar("T")


class StoreAway(TryLater):
    """The object store can't be reached, or refuses. Mail waits at its source."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store is waited for, in seconds: for a connection, for a request, and for all its repetitions."""

    connect: float = 10.0
    request: float = 60.0
    retries: int = 3
    in_all: float = 120.0


def open_store(settings: Settings, patience: Patience | None = None) -> S3Store:
    """The store that ``mail_store`` names; it is not contacted yet.

    Without a key of its own it signs in as the machine does (AWS_* variables, the role of the instance).
    """
    waits = patience or Patience()
    place = urlsplit(settings.mail_store)
    config: S3Config = {"region": settings.mail_store_region or REGION, "checksum_algorithm": "SHA256"}
    if settings.mail_store_endpoint:
        config["endpoint"] = settings.mail_store_endpoint
    if settings.mail_store_key is not None:
        config["access_key_id"] = settings.mail_store_key.reveal()
    if settings.mail_store_secret is not None:
        config["secret_access_key"] = settings.mail_store_secret.reveal()
    return S3Store(
        place.netloc,
        prefix=place.path.strip("/") or None,
        config=config,
        client_options={
            "connect_timeout": timedelta(seconds=waits.connect),
            "timeout": timedelta(seconds=waits.request),
            "allow_http": settings.mail_store_endpoint.startswith("http:"),
        },
        retry_config={"max_retries": waits.retries, "retry_timeout": timedelta(seconds=waits.in_all)},
    )


class Objects:
    """Keeps raw mail in an object store (``backup.RawMail``). ``secrets`` are never quoted from what the store says."""

    def __init__(self, store: S3Store, in_flight: InFlight | None = None, secrets: Sequence[str] = ()) -> None:
        self._store, self._in_flight, self._secrets = store, in_flight, tuple(filter(None, secrets))

    def keep(self, mails: Sequence[bytes], day: date) -> list[Kept]:
        """See ``RawMail``. What was put before one failed is removed, or stays noted until it can be."""
        named = {f"{FOLDER}/{day.isoformat()}/{uuid.uuid4()}.eml": mail for mail in mails}
        try:
            if self._in_flight is not None:
                self._in_flight.begin(list(named))
        except OSError as fault:
            raise BackupFailed("the backup can't be noted: {why}", why=system_words(fault)) from fault
        try:
            self._put_all(named)
        except BackupFailed:
            with contextlib.suppress(BackupFailed):
                self.remove(list(named))
            raise
        return [_kept(path, mail) for path, mail in named.items()]

    def put(self, mails: Mapping[str, bytes]) -> list[Kept]:
        """See ``RawMail``."""
        self._put_all(mails)
        return [_kept(path, mail) for path, mail in mails.items()]

    def unsettled(self) -> list[str]:
        """See ``RawMail``."""
        return left_by(self._in_flight)

    def settle(self, without_row: Sequence[str] = ()) -> None:
        """See ``RawMail``: they are gone before the note of them ends."""
        self.remove(without_row)
        try:
            if self._in_flight is not None:
                self._in_flight.end()
        except OSError as fault:
            raise BackupFailed("what the last run left can't be removed: {why}", why=system_words(fault)) from fault

    def read(self, path: str) -> bytes:
        """See ``RawMail``. Raises FileNotFoundError, or StoreAway."""
        return self._ask(path, lambda: bytes(obstore.get(self._store, path).bytes()))

    def size(self, path: str) -> int:
        """See ``RawMail``. Raises FileNotFoundError, or StoreAway."""
        return self._ask(path, lambda: int(obstore.head(self._store, path)["size"]))

    def checksum(self, path: str) -> str:
        """See ``RawMail``: of the bytes as they are read, whatever the store says of them."""

        def read() -> str:
            total = hashlib.sha256()
            for block in obstore.get(self._store, path).stream(min_chunk_size=BLOCK):
                total.update(block)
            return total.hexdigest()

        return self._ask(path, read)

    def replace(self, path: str, content: bytes) -> Kept:
        """See ``RawMail``: only in the place of a mail that is there."""
        try:
            self.size(path)
        except (OSError, StoreAway) as fault:
            why = fault.words if isinstance(fault, StoreAway) else system_words(fault)
            raise BackupFailed("the backup {path} can't be written: {why}", path=path, why=why) from fault
        self._put_all({path: content})
        return _kept(path, content)

    def remove(self, paths: Sequence[str]) -> None:
        """See ``RawMail``."""
        try:
            if paths:
                obstore.delete(self._store, list(paths))
        except FileNotFoundError:
            return
        except BaseError as fault:
            raise BackupFailed(
                "the backup {path} can't be removed: {why}", path=paths[0], why=self._said(fault)
            ) from None

    def days(self) -> list[str]:
        """See ``RawMail``. Raises StoreAway."""
        found = self._ask(FOLDER, lambda: obstore.list_with_delimiter(self._store, prefix=FOLDER))
        return sorted(place.rstrip("/").rpartition("/")[2] for place in found["common_prefixes"])

    def files(self, day: str) -> Iterator[Found]:
        """See ``RawMail``. Raises StoreAway."""
        pages = iter(obstore.list(self._store, prefix=f"{FOLDER}/{day}"))
        while (page := self._ask(day, lambda: next(pages, None))) is not None:
            for one in page:
                yield Found(one["path"], int(one["size"]), one["last_modified"])

    def _put_all(self, mails: Mapping[str, bytes]) -> None:
        if len(mails) < 2:
            for path, mail in mails.items():
                self._put(path, mail)
            return
        with ThreadPoolExecutor(min(AT_ONCE, len(mails))) as pool:
            for done in [pool.submit(self._put, path, mail) for path, mail in mails.items()]:
                done.result()

    def _put(self, path: str, mail: bytes) -> None:
        try:
            # In one request: a mail of many parts would have no checksum of its own.
            obstore.put(self._store, path, mail, use_multipart=False)
        except (BaseError, OSError) as fault:
            raise BackupFailed("the backup {path} can't be written: {why}", path=path, why=self._said(fault)) from None

    def _ask(self, path: str, question: Callable[[], T]) -> T:
        try:
            return question()
        except FileNotFoundError:
            raise FileNotFoundError(2, "No such file or directory", path) from None
        except (BaseError, OSError) as fault:
            raise StoreAway("the mail store can't be read ({path}): {why}", path=path, why=self._said(fault)) from None

    def _said(self, fault: Exception) -> str:
        """What the store says, in a line, without secrets: some stores repeat the key they refuse."""
        text = " ".join(str(fault).split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:MOST_SAID]


def _kept(path: str, mail: bytes) -> Kept:
    return Kept(path, hashlib.sha256(mail).hexdigest(), len(mail))
