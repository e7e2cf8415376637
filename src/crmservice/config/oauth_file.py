"""MicrosoftOAuth.json, read and checked (manual chapter 5; CALENDAR A1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from crmservice.config import parse
from crmservice.config.values import Fault, MicrosoftOAuth
from crmservice.config.wording import AT_THIS_LINE, CHECK_OWNER, MISSING, OTHER_SECRET, unreadable
from crmservice.errors import BadValue
from crmservice.words import Words, library_words

NAME = "MicrosoftOAuth.json"
MAX_FILE_BYTES = 64 * 1024
_ANY_TENANT = {"organizations", "common", "consumers"}
_NEEDED = ("client_id", "tenant_id", "token_uri", "client_secret")
_OPTIONAL = ("auth_uri", "graph_uri", "graph_scope")
_EXPIRES = "client_secret_expires"
KEYS = (*_NEEDED, *_OPTIONAL, _EXPIRES)
"""Every key of the object ``web``."""


def oauth_path(root_path: Path, home: Path) -> Path:
    """Where the file is: below ``rootPath`` first, else below the home folder (which need not have it)."""
    first = root_path / "Config" / NAME
    return first if first.is_file() else home / "Config" / NAME


def microsoft_oauth(
    root_path: Path, home: Path, environ: Mapping[str, str]
) -> tuple[MicrosoftOAuth | None, tuple[Fault, ...]]:
    """The file's values, or None with everything that is wrong with it; never raises."""
    path = oauth_path(root_path, home)
    web, problem = _read(path)
    if web is None:
        return None, (problem,)
    faults = _faults(path, web)
    try:
        secret = parse.secret(str(web.get("client_secret", "")), home, environ)
    except BadValue as error:
        faults.append(Fault(path, 0, "web.client_secret", error.words, OTHER_SECRET))
    if faults:
        return None, tuple(faults)
    values = {key: web[key].strip() for key in (*_NEEDED[:2], *_OPTIONAL) if web.get(key)}
    if "graph_uri" in values:
        values["graph_uri"] = values["graph_uri"].rstrip("/")
    token_uri = _with_tenant(web["token_uri"].strip(), values["tenant_id"])
    expires = date.fromisoformat(web[_EXPIRES].strip()) if web.get(_EXPIRES) else None
    found = MicrosoftOAuth(
        file=path, token_uri=token_uri, client_secret=secret, client_secret_expires=expires, **values
    )
    return found, ()


def _read(path: Path) -> tuple[dict[str, Any] | None, Fault]:
    """The object ``web``; the fault counts only where there is none."""
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(MAX_FILE_BYTES).decode("utf-8-sig"))
    except FileNotFoundError:
        return None, Fault(path, 0, "", MISSING, Words("docs/configuration.md shows how to make it"))
    except OSError as error:
        return None, Fault(path, 0, "", unreadable(error), CHECK_OWNER)
    except json.JSONDecodeError as error:
        message = Words("is no JSON: {why}", why=library_words(error.msg))
        return None, Fault(path, error.lineno, "", message, AT_THIS_LINE)
    except (UnicodeDecodeError, RecursionError):
        return None, Fault(path, 1, "", Words("is no JSON in UTF-8"), Words("save it as UTF-8"))
    web = found.get("web") if isinstance(found, dict) else None
    wrong = Fault(path, 1, "web", MISSING, Words('the file is {"web": {"client_id": …}}'))
    return (web, wrong) if isinstance(web, dict) else (None, wrong)


def _faults(path: Path, web: dict[str, Any]) -> list[Fault]:
    missing = [key for key in _NEEDED if not web.get(key)]
    odd = [key for key in KEYS if web.get(key) and not isinstance(web[key], str)]
    where = Words("docs/configuration.md says where it stands")
    faults = [Fault(path, 0, f"web.{key}", MISSING, where) for key in missing]
    no_text = Words("is no text"), Words("write it in quotation marks")
    faults += [Fault(path, 0, f"web.{key}", *no_text) for key in odd]
    for key in ("token_uri", "graph_uri"):
        if key not in odd and web.get(key) and not is_safe_url(web[key].strip()):
            message, advice = Words("is no https URL"), Words("plain http is for loopback alone")
            faults.append(Fault(path, 0, f"web.{key}", message, advice))
    if _EXPIRES not in odd and web.get(_EXPIRES) and not _is_date(web[_EXPIRES].strip()):
        faults.append(Fault(path, 0, f"web.{_EXPIRES}", Words("is no date"), Words("write it as 2027-05-31")))
    return faults


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_safe_url(url: str) -> bool:
    """Whether a secret may be sent there: https, or http to this machine alone; no name or password in it."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parse.is_loopback(host))


def _with_tenant(token_uri: str, tenant: str) -> str:
    """The URI with the tenant in the place of ``organizations``: client credentials ask for one (CALENDAR A1)."""
    parts = urlsplit(token_uri)
    first, slash, rest = parts.path.removeprefix("/").partition("/")
    if first.lower() not in _ANY_TENANT:
        return token_uri
    return urlunsplit(parts._replace(path=f"/{tenant}{slash}{rest}"))
