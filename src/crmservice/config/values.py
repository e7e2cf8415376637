"""Box and Settings, frozen: what the XML files and crmservice.toml say (SPEC chapter 2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo
from pathlib import Path
from typing import Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from crmservice.words import Words, joined

DEFAULT_MAX_MESSAGE_BYTES = 50 * 1024 * 1024

Security = Literal["tls", "starttls", "plain"]
SecretOrigin = Literal["plain", "env", "file"]


class Secret(str):
    """A text that shows itself as ``***``; ``reveal()`` is the only way to its value.

    The value is kept beside the text, so that logs, traces and formatting never see it. Pickled, it
    loses its value: no other process and no file ever gets it that way. ``origin`` says where it was
    written: in the file itself (``plain``), or named there by ``env:`` or ``file:``.
    """

    __slots__ = ("_value", "origin")
    _value: str | None
    origin: SecretOrigin

    def __new__(cls, value: str | None, origin: SecretOrigin = "plain") -> Self:
        """A secret with this value; None makes one that has lost it."""
        secret = super().__new__(cls, "***")
        secret._value = value
        secret.origin = origin
        return secret

    def reveal(self) -> str:
        """The value itself. Raises ValueError if it was lost in pickling."""
        if self._value is None:
            msg = "this secret has lost its value on its way between processes; read the configuration again"
            raise ValueError(msg)
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret) or self._value is None or other._value is None:
            return self is other
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[type[Secret], tuple[None, SecretOrigin]]:
        return Secret, (None, self.origin)


ENVIRONMENT = Path("environment")
"""In the place of a file: the process's variables."""


class Fault(NamedTuple):
    """Something wrong in a configuration file. ``line`` counts from 1, 0 where there is none."""

    file: Path
    line: int
    key: str
    message: Words
    advice: Words | None = None

    @property
    def place(self) -> Words:
        """The file with the line."""
        if self.file == ENVIRONMENT:
            return Words("environment")
        return joined(":", (self.file, self.line or None))

    @property
    def words(self) -> Words:
        """All of it, in one line."""
        return joined(": ", (self.place, self.key, self.message, self.advice))

    def __str__(self) -> str:
        return str(self.words)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to talk to. ``security``: TLS from the first byte, STARTTLS/STLS required, or plain."""

    host: str
    port: int
    security: Security


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in to a mail server: name with password, or OAuth2 client credentials."""

    name: str
    password: Secret | None = None
    oauth: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """One technology box: the manual's XML, with our own keys (SPEC chapter 2). Addresses in lower case.

    ``name`` is the file's name without ``.xml``, ``file`` its path. ``authserv_ids`` are in the order of
    the file. ``smtp_listen`` is ``address:port``. ``max_message_bytes`` counts bytes, ``poll_seconds`` seconds.
    """

    name: str
    email: str
    file: Path = Path()
    root_path: Path = Path()
    our_domains: frozenset[str] = frozenset()
    rules: Literal["manual", "safe"] = "manual"
    zone: tzinfo = ZoneInfo("UTC")
    stop_from: time | None = None
    stop_to: time | None = None
    smtp: Endpoint | None = None
    smtp_login: Login | None = None
    error_from: str = ""
    error_to: str = ""
    pop3: Endpoint | None = None
    pop3_login: Login | None = None
    imap: Endpoint | None = None
    imap_login: Login | None = None
    imap_folder: str = "INBOX"
    eml_dir: Path | None = None
    graph_mailbox: str = ""
    smtp_listen: str = ""
    smtp_listen_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    smtp_listen_cert: Path | None = None
    smtp_listen_key: Path | None = None
    save_originals_from: frozenset[str] = frozenset()
    save_incoming_as_pending: bool = False
    ignore_subjects: tuple[str, ...] = ()
    internal_mail: Literal["file", "private", "skip"] = "file"
    bulk_mail: Literal["file", "list"] = "file"
    only_known_senders: bool = False
    never_file: frozenset[str] = frozenset()
    journal: bool = False
    reply_to_from: frozenset[str] = frozenset()
    service_senders: frozenset[str] = frozenset()
    authserv_ids: tuple[str, ...] = ()
    poll_seconds: int = 300
    allow_insecure: bool = False
    tls_ca_file: Path | None = None
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES

    @property
    def safe(self) -> bool:
        """Whether the safe mode of the rules holds (SPEC chapter 4)."""
        return self.rules == "safe"


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days something goes; None keeps it (SPEC 13.15)."""

    backups: int | None = None
    unfiled: int | None = None
    personal: int | None = None


@dataclass(frozen=True, slots=True)
class Logging:
    """The logs: a JSON one beside the text (``json``), how large a file grows in MiB, and how many full ones stay."""

    json: bool = False
    megabytes: int = 20
    files: int = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """What is no box's own: crmservice.toml and CRMSERVICE_<KEY> (SPEC chapter 2).

    ``database``: a URL (it may hold a password, so it is never shown), empty for the embedded one.
    ``web``: ``address:port`` the pages are served at, empty for the command's default. ``metrics``: where metrics and
    health are served, empty for nowhere. ``nightly``: when verify, backup and retention run, on the wall clock of ``zone``.
    ``backup_to``: folder of the nightly backups, of which ``backup_keep`` stay. ``mail_store``: ``s3://bucket/prefix`` where
    raw mail is kept in the place of the home folder. ``canary_days``: every so many days a canary goes to each user.
    """

    home: Path
    database: str = field(default="", repr=False)
    language: Literal["cs", "en"] = "en"
    zone: tzinfo = ZoneInfo("UTC")
    public_url: str = ""
    web: str = ""
    metrics: str = ""
    log: Logging = Logging()
    trusted_proxies: tuple[str, ...] = ()
    nightly: time = time(2, 30)
    canary_days: int | None = None
    backup_to: Path | None = None
    backup_keep: int = 30
    mail_store: str = ""
    mail_store_endpoint: str = ""
    mail_store_region: str = ""
    mail_store_key: Secret | None = None
    mail_store_secret: Secret | None = None
    retention: Retention = Retention()
    calendar_series: Literal["keep", "start"] = "keep"
    calendar_conflicts: Literal["organizer", "ours", "newest"] = "organizer"
    keywords: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MicrosoftOAuth:
    """MicrosoftOAuth.json (manual chapter 5), the tenant already in ``token_uri``.

    ``client_secret_expires``: the last day of the secret, as far as the file says it.
    """

    file: Path
    client_id: str
    tenant_id: str
    token_uri: str
    client_secret: Secret
    auth_uri: str = ""
    graph_uri: str = "https://graph.microsoft.com/v1.0"
    graph_scope: str = "https://graph.microsoft.com/.default"
    client_secret_expires: date | None = None


def paused(box: Box, now: datetime) -> bool:
    """Whether the box's daily pause holds at this instant (manual chapter 7, stopFrom and stopTo).

    The clock on the wall of the box's zone decides: from ``stop_from`` (included) to ``stop_to`` (excluded),
    over midnight if it is the earlier one. Equal times mean no pause. ``now`` must know its offset.
    """
    if box.stop_from is None or box.stop_to is None:
        return False
    wall = now.astimezone(box.zone).time().replace(fold=0)
    if box.stop_from <= box.stop_to:
        return box.stop_from <= wall < box.stop_to
    return wall >= box.stop_from or wall < box.stop_to
