"""OAuth2 access tokens at Microsoft 365: client credentials (RFC 6749 section 4.4; manual chapter 5; CALENDAR A1).

One token for each application and scope, kept for the life of this process until 300 s before its end. Nothing of an
answer but its codes goes into an error: a server may repeat what it was sent.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from crmservice.config import Box, MicrosoftOAuth, microsoft_oauth
from crmservice.errors import CrmServiceError
from crmservice.microsoft.waiting import retry_after
from crmservice.tls import Timeouts, explain
from crmservice.words import Words, joined

MAIL_SCOPE = "https://outlook.office365.com/.default"
"""What POP3, IMAP and SMTP at Exchange Online ask for; Graph's tokens are refused there."""

RENEW_SECONDS = 300
WAITS = Timeouts(connect=20, read=20, session=20)
MAX_ANSWER_BYTES = 256 * 1024

# learn.microsoft.com/entra/identity-platform/reference-error-codes: the number after AADSTS -> what to do.
ADVICE: Mapping[int, Words] = {
    7000215: Words("the client secret is wrong; client_secret is the secret's value, not its id"),
    7000222: Words("the client secret has expired; make a new one under Certificates & secrets"),
    7000218: Words("the application takes no client secret; check client_id, and make a secret for it"),
    7000112: Words("the application is disabled; enable it under Enterprise applications"),
    7000229: Words("the application has no service principal in this tenant; grant it admin consent there"),
    700016: Words("the application is not known in this tenant; check client_id and tenant_id"),
    90002: Words("the tenant is not known; check tenant_id"),
    900023: Words("tenant_id is no tenant; write the Directory (tenant) ID"),
    90038: Words("the tenant is in a national cloud; write that cloud's token_uri, graph_uri and graph_scope"),
    500011: Words("the tenant does not have what the token is for; check tenant_id, graph_scope and its subscription"),
    1002012: Words("the scope is not one for applications; graph_scope ends in /.default"),
    70011: Words("the scope is not valid; graph_scope ends in /.default"),
    53003: Words("a Conditional Access policy stops the application; exempt it, or allow this machine's address"),
    500021: Words("a proxy on the way lets nobody into this tenant (tenant restrictions); have it allowed there"),
}
# Refused, but not by the application's fault: the same page calls them retryable, or a throttle.
_PASSING = {50196, 90006, 90012, 90024, 90033, 90055, 90090}
_OF_CONFIGURATION = {"invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "invalid_grant"}


class Token(Protocol):
    """Gives access tokens for one resource."""

    def __call__(self) -> str:
        """A token to use now. Raises TokenError."""
        ...

    def refused(self, token: str) -> None:
        """A server would not take this one: the next call asks for another.

        A right that was granted meanwhile is in the new token, and a token that was revoked is used no more.
        """
        ...


class TokenError(CrmServiceError):
    """No access token could be had; the text says why and what to do, without a secret.

    ``notice``: the kind of notice it is worth; ``oauth`` where the application or its secret must be mended. ``code``: the
    number after AADSTS, 0 for none.
    """

    permanent = False
    code = 0

    @property
    def notice(self) -> str:
        """See the class."""
        return "oauth" if self.permanent else "box-failing"


class _Kept(NamedTuple):
    oauth: MicrosoftOAuth
    token: str
    until: float


class Tokens:
    """The tokens of a process, for all its threads. ``clock`` counts seconds and never goes back."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        timeouts: Timeouts = WAITS,
    ) -> None:
        self._environ, self._clock, self._timeouts = environ, clock, timeouts
        self._kept: dict[tuple[str, str, str], _Kept] = {}
        self._read: dict[tuple[Path, Path], MicrosoftOAuth] = {}
        self._lock = threading.Lock()

    def application(self, root_path: Path, home: Path) -> MicrosoftOAuth:
        """What MicrosoftOAuth.json says now; while it can't be used (somebody edits it), what it said last.

        Raises TokenError where it never said anything that can be used.
        """
        found, faults = microsoft_oauth(root_path, home, self._environ)
        if found is not None:
            self._read[root_path, home] = found
        found = self._read.get((root_path, home))
        if found is None:
            raise TokenError("{faults}", faults=joined("; ", (fault.words for fault in faults)), permanent=True)
        return found

    def token(self, oauth: MicrosoftOAuth, scope: str) -> str:
        """The token of this application for this scope: the kept one, unless its end is near or the secret is new."""
        place = (oauth.token_uri, oauth.client_id, scope)
        with self._lock:
            kept = self._kept.get(place)
            if kept is None or kept.oauth != oauth or self._clock() >= kept.until:
                asked = self._clock()
                token, seconds = ask(oauth, scope, self._timeouts)
                kept = self._kept[place] = _Kept(oauth, token, asked + seconds - RENEW_SECONDS)
            return kept.token

    def drop(self, token: str) -> None:
        """Forget this token; another that came meanwhile stays."""
        with self._lock:
            self._kept = {place: kept for place, kept in self._kept.items() if kept.token != token}


KEPT = Tokens()
"""This process's. A worker is forked before it asks for its first."""


class BoxToken:
    """Tokens for one scope of the application that a folder's MicrosoftOAuth.json names."""

    def __init__(
        self, root_path: Path, home: Path, scope: Callable[[MicrosoftOAuth], str], tokens: Tokens = KEPT
    ) -> None:
        self._place, self._scope, self._tokens = (root_path, home), scope, tokens

    def __call__(self) -> str:
        """A token; see Token."""
        oauth = self._tokens.application(*self._place)
        return self._tokens.token(oauth, self._scope(oauth))

    def refused(self, token: str) -> None:
        """See Token."""
        self._tokens.drop(token)


def mail_token(box: Box, home: Path, tokens: Tokens = KEPT) -> Token:
    """Tokens for POP3, IMAP and SMTP at Exchange Online; MicrosoftOAuth.json is read when one is asked for."""
    return BoxToken(box.root_path, home, lambda _oauth: MAIL_SCOPE, tokens)


def graph_token(root_path: Path, home: Path, tokens: Tokens = KEPT) -> Token:
    """Tokens for Microsoft Graph; MicrosoftOAuth.json is read when one is asked for."""
    return BoxToken(root_path, home, lambda oauth: oauth.graph_scope, tokens)


def ask(oauth: MicrosoftOAuth, scope: str, timeouts: Timeouts = WAITS) -> tuple[str, int]:
    """A new token, and for how many seconds it is good. Raises TokenError."""
    status, answer, wait = _post(oauth, scope, timeouts)
    token, lasts = answer.get("access_token"), str(answer.get("expires_in"))
    # Printable ASCII alone: the token becomes part of a protocol's line (RFC 6749 appendix A.12).
    if status == 200 and isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]{1,65536}", token):
        return token, int(lasts) if re.fullmatch("[0-9]{1,9}", lasts) else 0
    raise _refused(oauth, status, answer, wait)


def roles(token: str) -> frozenset[str] | None:
    """The permissions that a token of Microsoft's names (claim ``roles``); None where it can't be read.

    For telling what is missing, and nothing else: a token is the resource's to read. Rights given by Exchange's RBAC for
    Applications are not in it.
    """
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return frozenset(str(role) for role in _list(claims.get("roles")))
    except (ValueError, IndexError, AttributeError, RecursionError):
        return None


def _post(oauth: MicrosoftOAuth, scope: str, timeouts: Timeouts) -> tuple[int, dict[str, Any], float]:
    """Status and JSON object of the answer (an answer that is none counts as empty), and how long it asks to wait."""
    import httpx

    from crmservice.microsoft import wire

    form = {
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret.reveal(),
        "scope": scope,
        "grant_type": "client_credentials",
    }
    try:
        with wire.client(timeouts) as client, client.stream("POST", oauth.token_uri, data=form) as answer:
            return answer.status_code, _object(_limited(answer.iter_raw())), retry_after(answer.headers) or 0.0
    except (httpx.HTTPError, OSError) as error:
        why = explain(wire.cause(error))
    raise TokenError("OAuth2, asking {uri} for a token: {why}", uri=oauth.token_uri, why=why)


def _described(answer: dict[str, Any]) -> list[int]:
    """The code that stands in the text alone, as some answers have it."""
    found = re.search(r"AADSTS([0-9]{4,7})\b", str(answer.get("error_description", ""))[:1000])
    return [int(found[1])] if found else []


def _refused(oauth: MicrosoftOAuth, status: int, answer: dict[str, Any], wait: float) -> TokenError:
    codes = [code for code in _list(answer.get("error_codes")) if isinstance(code, int)] or _described(answer)
    said = str(answer.get("error", ""))
    name = said if re.fullmatch(r"[a-z_]{1,64}", said) else ""
    named = next((code for code in codes if code in ADVICE), 0)
    permanent = bool(named) or (400 <= status < 500 and name in _OF_CONFIGURATION and not _PASSING & set(codes))
    if named:
        advice = ADVICE[named]
    elif permanent:
        advice = Words("check {file}", file=oauth.file)
    else:
        advice = Words("it is tried again; if that lasts, check token_uri")
    fault = TokenError(
        "OAuth2, asking {uri} for a token: {codes}: {advice}",
        uri=oauth.token_uri,
        codes=", ".join([f"HTTP {status}", *([name] if name else []), *(f"AADSTS{code}" for code in codes[:3])]),
        advice=advice,
        permanent=permanent,
    )
    fault.code = named or next(iter(codes), 0)
    fault.retry_after = wait
    return fault


def _limited(pieces: Iterable[bytes]) -> bytes:
    """The body, or nothing where it is longer than any token's."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            return b""
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
