"""crmservice.toml and CRMSERVICE_<KEY> -> Settings, with every fault at once (SPEC chapter 2)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import tzlocal

from crmservice.config import parse
from crmservice.config.values import ENVIRONMENT, Fault, Logging, Retention, Settings
from crmservice.config.wording import AT_THIS_LINE, CHECK_OWNER, SEE_DOCUMENTATION, unknown_key, unreadable
from crmservice.errors import BadValue
from crmservice.words import Words, library_words

NAME = "crmservice.toml"
MAX_FILE_BYTES = 1024 * 1024
PREFIX = "CRMSERVICE_"
_RESERVED = {"CRMSERVICE_HOME"}

_days = parse.integer(1, 36_500)


def _url(value: str) -> str:
    """``https://crm.firma.cz``, without a trailing slash."""
    if not _is_web(parse.text(value)):
        raise BadValue("is no http or https URL")
    return value.rstrip("/")


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)


def _database(value: str) -> str:
    """A database's URL; the text never goes into a message, it may hold a password."""
    if not value.startswith(("postgresql://", "postgres://", "sqlite:///")):
        raise BadValue("must begin with postgresql:// or sqlite:///")
    return parse.text(value)


def _object_store(value: str) -> str:
    """``s3://bucket`` or ``s3://bucket/prefix``, without a trailing slash."""
    scheme, _, place = parse.text(value).partition("://")
    if scheme != "s3" or not place.strip("/"):
        raise BadValue("is no s3://bucket/prefix")
    return value.rstrip("/")


def _endpoint(value: str) -> str:
    """An object store's URL: what is kept there goes over it, so plain http is for this machine alone."""
    url = _url(value)
    if not url.startswith("https:") and not parse.is_loopback(urlsplit(url).hostname or ""):
        raise BadValue("is no https URL")
    return url


KEYS: dict[str, Callable[[str], Any]] = {
    "database": _database,
    "language": parse.choice("cs", "en"),
    "time_zone": parse.zone,
    "public_url": _url,
    "web": parse.listen,
    "metrics": parse.listen,
    "log.json": parse.boolean,
    "log.megabytes": parse.integer(1, 10_000),
    "log.files": parse.integer(1, 1_000),
    "trusted_proxies": parse.network,
    "nightly": parse.clock,
    "canary_days": parse.integer(1, 365),
    "backup_to": parse.absolute_path,
    "backup_keep": parse.integer(1, 1_000),
    "mail_store": _object_store,
    "mail_store_endpoint": _endpoint,
    "mail_store_region": parse.text,
    "mail_store_key": str,
    "mail_store_secret": str,
    "retention.backups": _days,
    "retention.unfiled": _days,
    "retention.personal": _days,
    "calendar_series": parse.choice("keep", "start"),
    "calendar_conflicts": parse.choice("organizer", "ours", "newest"),
}
"""Every key of crmservice.toml but ``[keywords]``, whose names are those of mail.keywords."""

_MANY = {"trusted_proxies"}
_SECRETS = {"mail_store_key", "mail_store_secret"}
_TABLES: dict[str, type[Any]] = {"retention": Retention, "log": Logging}
"""Tables of the file, and what each becomes."""


@dataclass(frozen=True, slots=True)
class SettingsResult:
    """The settings; a key with a fault keeps its default."""

    settings: Settings
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


@dataclass(slots=True)
class _Reading:
    """What is known while a file and the environment are read."""

    file: Path
    lines: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    keywords: dict[str, tuple[str, ...]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def line(self, key: str) -> int:
        """The line where the key is set, or 0."""
        word = re.compile(rf'\s*["\']?{re.escape(key.rpartition(".")[2])}["\']?\s*=')
        return next((number for number, text in enumerate(self.lines, 1) if word.match(text)), 0)

    def fault(self, key: str, message: Words, advice: Words | None = None) -> None:
        """The key can't be used because of this."""
        self.faults.append(Fault(self.file, self.line(key), key, message, advice))


def system_zone() -> ZoneInfo:
    """The machine's time zone; UTC where it has none that can be known."""
    try:
        return tzlocal.get_localzone()
    except (LookupError, OSError, ValueError):
        return ZoneInfo("UTC")


def load_settings(home: Path, environ: Mapping[str, str]) -> SettingsResult:
    """The home folder's settings; the environment wins over the file. Never raises."""
    reading = _Reading(home / NAME)
    _take_file(reading, home, environ)
    _take_environment(reading, home, environ)
    return SettingsResult(_settings(home, reading), tuple(reading.faults), tuple(reading.warnings))


def _take_file(reading: _Reading, home: Path, environ: Mapping[str, str]) -> None:
    found = _read_toml(reading)
    for key, value in found.items():
        if key == "keywords" and isinstance(value, dict):
            _take_keywords(reading, value)
        elif key in _TABLES and isinstance(value, dict):
            for name, one in value.items():
                _take(reading, f"{key}.{name}", one, home, environ)
        else:
            _take(reading, key, value, home, environ)


def _read_toml(reading: _Reading) -> dict[str, Any]:
    try:
        with reading.file.open("rb") as stream:
            text = stream.read(MAX_FILE_BYTES).decode("utf-8-sig")
        reading.lines = text.splitlines()
        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except OSError as error:
        reading.fault("", unreadable(error), CHECK_OWNER)
    except UnicodeDecodeError:
        reading.fault("", Words("is not UTF-8"), Words("save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column \d+\)", str(error))
        line = int(at[1]) if at else len(reading.lines)
        message = Words("is no TOML: {why}", why=library_words(str(error).partition(" (at ")[0]))
        reading.faults.append(Fault(reading.file, line, "", message, AT_THIS_LINE))
    return {}


def _take(reading: _Reading, key: str, value: object, home: Path, environ: Mapping[str, str]) -> None:
    if key not in KEYS:
        _unknown(reading, key)
        return
    try:
        reading.values[key] = _parsed(key, value, home, environ)
    except BadValue as error:
        reading.fault(key, error.words, SEE_DOCUMENTATION)


def _unknown(reading: _Reading, key: str) -> None:
    reading.warnings.append(
        Fault(reading.file, reading.line(key), key, *unknown_key(key, {*KEYS, *_TABLES, "keywords"}))
    )


def _parsed(key: str, value: object, home: Path, environ: Mapping[str, str]) -> object:
    if key in _MANY:
        return tuple(KEYS[key](text) for text in _texts(value))
    if isinstance(value, bool) and KEYS[key] is parse.boolean:
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadValue("is neither a text nor a number")
    text = str(value).strip()
    if key in _SECRETS:
        return parse.secret(text, home, environ)
    if key == "database":
        text = parse.secret(text, home, environ).reveal()
    return KEYS[key](text)


def _texts(value: object) -> list[str]:
    """A list of texts; a single text counts, split at commas (the environment knows no lists)."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadValue("is no list of texts")
    return [one.strip() for one in value if one.strip()]


def _take_keywords(reading: _Reading, table: Mapping[str, object]) -> None:
    for name, value in table.items():
        try:
            reading.keywords[name] = tuple(_texts(value))
        except BadValue as error:
            reading.fault(f"keywords.{name}", error.words, Words('write ["word", "another word"]'))


def _take_environment(reading: _Reading, home: Path, environ: Mapping[str, str]) -> None:
    names = {PREFIX + key.replace(".", "_").upper(): key for key in KEYS}
    outside = replace(reading, file=ENVIRONMENT, lines=[])
    for name, value in environ.items():
        if name in names and value.strip():
            _take_variable(outside, names[name], name, (home, environ))
        elif name.startswith(f"{PREFIX}KEYWORDS_"):
            _take_keywords(outside, {name.removeprefix(f"{PREFIX}KEYWORDS_").lower(): value})
        elif name.startswith(PREFIX) and name not in _RESERVED and name not in names:
            _misspelt_variable(outside, name, names)


def _take_variable(reading: _Reading, key: str, name: str, where: tuple[Path, Mapping[str, str]]) -> None:
    home, environ = where
    try:
        reading.values[key] = _parsed(key, environ[name], home, environ)
    except BadValue as error:
        reading.faults.append(Fault(reading.file, 0, name, error.words, SEE_DOCUMENTATION))


def _misspelt_variable(reading: _Reading, name: str, names: Iterable[str]) -> None:
    """Only what is nearly a key's name is named: others may be a box's own ``env:`` secrets."""
    if parse.nearest(name, names, cutoff=0.9):
        reading.warnings.append(Fault(reading.file, 0, name, *unknown_key(name, names)))


def _settings(home: Path, reading: _Reading) -> Settings:
    values = dict(reading.values)
    zone = values.pop("time_zone", None) or system_zone()
    tables = {name: make(**_of_table(values, name)) for name, make in _TABLES.items()}
    return Settings(home=home, zone=zone, keywords=dict(reading.keywords), **tables, **values)


def _of_table(values: dict[str, Any], table: str) -> dict[str, Any]:
    """The values of one table, taken out: ``log.files`` as ``files``."""
    return {name.partition(".")[2]: values.pop(name) for name in list(values) if name.startswith(f"{table}.")}
