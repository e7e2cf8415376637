"""Texts of configuration files -> values. Each function raises BadValue, whose text is for the administrator."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from crmservice.config.values import Endpoint, Secret, Security
from crmservice.errors import BadValue
from crmservice.words import Words, joined, system_words

MAX_SECRET_BYTES = 64 * 1024

_LABEL = r"\w(?:[\w-]{0,61}\w)?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LOCAL_PART = re.compile(r"[^\s@<>()\[\],;:\"\\\x00-\x1f\x7f]{1,64}")
_TIME = re.compile(r"(\d{1,2}):(\d{2})")


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known word that was probably meant (difflib's ratio >= cutoff), or an empty text; case does not count."""
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=cutoff)
    return folded[close[0]] if close else ""


def text(value: str) -> str:
    """A text as it stands, without control characters (they would end a line of a protocol)."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise BadValue("holds a control character")
    return value


def boolean(value: str) -> bool:
    """``true`` or ``false`` in any case."""
    if value.lower() not in {"true", "false"}:
        raise BadValue("must be true or false")
    return value.lower() == "true"


def clock(value: str) -> time:
    """``HH:mm``, 00:00 to 23:59."""
    match = _TIME.fullmatch(value)
    if not match or int(match[1]) > 23 or int(match[2]) > 59:
        raise BadValue("{value!r} is no time of the form HH:mm (00:00 to 23:59)", value=value)
    return time(int(match[1]), int(match[2]))


def integer(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers within these bounds, both included."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", value) or not least <= int(value) <= most:
            raise BadValue("must be a whole number from {least} to {most}", least=least, most=most)
        return int(value)

    return read


def choice(*words: str) -> Callable[[str], str]:
    """A reader of one of these words, in any case."""

    def read(value: str) -> str:
        if value.lower() not in words:
            what = Words("must be one of {words}", words=", ".join(words))
            raise BadValue("{what}", what=_guessed(what, nearest(value, words)))
        return value.lower()

    return read


def _guessed(what: Words, guess: str) -> Words:
    return joined("; ", [what, Words("did you mean {guess}?", guess=guess)]) if guess else what


def address(value: str) -> str:
    """An e-mail address (RFC 5321 section 4.1.2, no quoted local part), in lower case."""
    local, at, domain_part = value.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or not _HOST.fullmatch(domain_part):
        raise BadValue("{value!r} is no e-mail address", value=value)
    return value.lower()


def domain(value: str) -> str:
    """A mail domain in lower case; a leading ``@`` is dropped."""
    name = value.removeprefix("@")
    if not _HOST.fullmatch(name):
        raise BadValue("{value!r} is no domain", value=value)
    return name.lower()


def address_or_domain(value: str) -> str:
    """``who@firma.cz``, ``firma.cz`` or ``@firma.cz``."""
    return address(value) if "@" in value.removeprefix("@") else domain(value)


def absolute_path(value: str) -> Path:
    """A path that is absolute on this system."""
    path = Path(text(value))
    if not path.is_absolute():
        raise BadValue("{value!r} is no absolute path on this system", value=value)
    return path


def existing_file(value: str) -> Path:
    """The absolute path of a file that is there."""
    path = absolute_path(value)
    if not path.is_file():
        raise BadValue("there is no file {name!r}", name=value)
    return path


def zone(value: str) -> ZoneInfo:
    """A time zone by its IANA name, ``Europe/Prague``."""
    try:
        return ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        what = Words("{value!r} is no IANA time zone", value=value)
        raise BadValue("{what}", what=_guessed(what, nearest(value, available_timezones()))) from None


def network(value: str) -> str:
    """An IP network or address in the usual notation (RFC 4632), normalised."""
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise BadValue("{value!r} is no IP network or address", value=value) from None


def is_loopback(host: str) -> bool:
    """Whether the name can only mean this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def open_to_others(listening: str, networks: Iterable[str]) -> bool:
    """Whether another machine may deliver to ``address:port`` (empty: nobody listens) from one of the networks."""
    if not listening or is_loopback(host_port(listening)[0]):
        return False
    return not all(ip_network(one).is_loopback for one in networks)


def host_port(value: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, an IPv4 address or an IPv6 address in brackets; no scheme, no path."""
    if "://" in value:
        scheme = value.partition("://")[0]
        raise BadValue("{value!r}: write host or host:port, without {scheme}://", value=value, scheme=scheme)
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", value)
    if not match or not _is_host(match[1], match[2]) or not 0 < int(match[3] or 1) < 65536:
        raise BadValue("{value!r} is no host or host:port", value=value)
    return match[1] or match[2], int(match[3]) if match[3] else None


def _is_host(bracketed: str | None, bare: str | None) -> bool:
    if bracketed is None:
        return _HOST.fullmatch(bare or "") is not None
    try:
        return ip_address(bracketed).version == 6
    except ValueError:
        return False


def listen(value: str) -> str:
    """``address:port`` to listen at."""
    if host_port(value)[1] is None:
        raise BadValue("{value!r} is no address:port", value=value)
    return value


def _upgraded(host: str, *, insecure: bool) -> Security:
    """What a port that begins in the clear asks for: the upgrade, unless plain text is allowed there."""
    return "plain" if insecure or is_loopback(host) else "starttls"


def pop3_endpoint(value: str, *, insecure: bool, oauth: bool) -> Endpoint:
    """``pop3Url``: 995 with TLS when OAuth is used, else 110 with STLS; another port is TLS at once (RFC 8314)."""
    host, port = host_port(value)
    if port is None and oauth:
        return Endpoint(host, 995, "tls")
    if port in {None, 110}:
        return Endpoint(host, 110, _upgraded(host, insecure=insecure))
    return Endpoint(host, port or 995, "tls")


def imap_endpoint(value: str, *, insecure: bool) -> Endpoint:
    """``imapUrl``: 993 with TLS; ``host:143`` with STARTTLS; another port is TLS at once (RFC 8314)."""
    host, port = host_port(value)
    if port == 143:
        return Endpoint(host, 143, _upgraded(host, insecure=insecure))
    return Endpoint(host, port or 993, "tls")


def smtp_endpoint(value: str, *, insecure: bool) -> Endpoint:
    """``smtpServer``: port 25 unless given, STARTTLS required; ``host:465`` is TLS at once (RFC 8314)."""
    host, port = host_port(value)
    if port == 465:
        return Endpoint(host, 465, "tls")
    return Endpoint(host, port or 25, _upgraded(host, insecure=insecure))


def secret(value: str, home: Path, environ: Mapping[str, str]) -> Secret:
    """A secret: ``env:NAME``, ``file:PATH`` or the value itself.

    A relative path is one of systemd's credentials where there are such (systemd.exec(5), LoadCredential),
    else a file of the home folder. One line end at the file's end does not count.
    """
    scheme, _, rest = value.partition(":")
    if scheme == "env":
        if not environ.get(rest):
            raise BadValue("the environment variable {name} is not set", name=rest)
        return Secret(_no_line_ends(environ[rest]), "env")
    if scheme == "file":
        return Secret(_no_line_ends(_secret_file(rest, home, environ)), "file")
    return Secret(_no_line_ends(value), "plain")


def _secret_file(name: str, home: Path, environ: Mapping[str, str]) -> str:
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    folders = [Path(credentials)] if credentials else []
    paths = [folder / name for folder in (*folders, home) if (folder / name).is_file()]
    if not name or not paths:
        raise BadValue("there is no file {name!r}", name=name)
    try:
        with paths[0].open("rb") as stream:
            value = stream.read(MAX_SECRET_BYTES).decode("utf-8-sig")
    except OSError as error:
        why = system_words(error)
        raise BadValue("the file {name!r} can't be read: {why}", name=name, why=why) from None
    except UnicodeDecodeError:
        raise BadValue("the file {name!r} is not UTF-8", name=name) from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise BadValue("the file {name!r} is empty", name=name)
    return value


def _no_line_ends(value: str) -> str:
    """The value, refused if it would end a protocol's line (TRUST B6); the message never shows it."""
    if any(end in value for end in "\r\n\0"):
        raise BadValue("the secret holds a line end or a NUL")
    return value
