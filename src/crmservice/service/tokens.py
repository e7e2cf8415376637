"""OAuth2 access tokens for a mailbox at Microsoft 365: client credentials (RFC 6749 section 4.4; manual chapter 5).

A token is kept until 300 s before its end. Nothing of an answer but its codes goes into an error: a server may
repeat what it was sent.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from crmservice.config import Box, MicrosoftOAuth, microsoft_oauth
from crmservice.errors import CrmServiceError
from crmservice.tls import explain, tls_context

MAIL_SCOPE = "https://outlook.office365.com/.default"
"""What POP3 and IMAP at Exchange Online ask for; Graph's tokens are refused there."""

RENEW_SECONDS = 300
TIMEOUT_SECONDS = 20.0
MAX_ANSWER_BYTES = 256 * 1024

# learn.microsoft.com/entra/identity-platform/reference-error-codes: the number after AADSTS -> what to do.
ADVICE = {
    7000215: "the client secret is wrong; client_secret is the secret's value, not its id",
    7000222: "the client secret has expired; make a new one under Certificates & secrets",
    7000112: "the application is disabled; enable it under Enterprise applications",
    700016: "the application is not known in this tenant; check client_id and tenant_id",
    90002: "the tenant is not known; check tenant_id",
    900023: "tenant_id is no tenant; write the Directory (tenant) ID",
    500011: "the tenant has no Office 365 Exchange Online; check tenant_id and its subscription",
    53003: "a Conditional Access policy stops the application; exempt it, or allow this machine's address",
}
_OF_CONFIGURATION = {"invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "invalid_grant"}


class TokenError(CrmServiceError):
    """No access token could be had; the text says why and what to do, without a secret."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class _Kept(NamedTuple):
    token: str
    until: float


class ClientCredentials:
    """Gives an access token, asking for a new one when the last has less than 300 s left. One thread."""

    def __init__(
        self, oauth: MicrosoftOAuth, scope: str = MAIL_SCOPE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._oauth, self._scope, self._clock = oauth, scope, clock
        self._kept: _Kept | None = None

    def __call__(self) -> str:
        """The token. Raises TokenError."""
        if self._kept is None or self._clock() >= self._kept.until:
            self._kept = self._ask()
        return self._kept.token

    def _ask(self) -> _Kept:
        asked = self._clock()
        status, answer = self._post()
        token, lasts = answer.get("access_token"), answer.get("expires_in")
        # Printable ASCII alone: the token becomes part of a protocol's line (RFC 6749 appendix A.12).
        if status == 200 and isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]{1,65536}", token):
            seconds = (
                int(lasts) if isinstance(lasts, int | str) and str(lasts).isascii() and str(lasts).isdigit() else 0
            )
            return _Kept(token, asked + seconds - RENEW_SECONDS)
        raise self._refused(status, answer)

    def _post(self) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of the answer; an answer that is none counts as empty."""
        import httpx

        form = {
            "client_id": self._oauth.client_id,
            "client_secret": self._oauth.client_secret.reveal(),
            "scope": self._scope,
            "grant_type": "client_credentials",
        }
        try:
            with (
                httpx.Client(verify=tls_context(), timeout=TIMEOUT_SECONDS) as client,
                client.stream("POST", self._oauth.token_uri, data=form) as answer,
            ):
                return answer.status_code, _object(_limited(answer.iter_bytes()))
        except (httpx.HTTPError, OSError) as error:
            raise TokenError(f"{self._place()}: {explain(_cause(error))}") from None

    def _refused(self, status: int, answer: dict[str, Any]) -> TokenError:
        codes = [code for code in _list(answer.get("error_codes")) if isinstance(code, int)]
        error = str(answer.get("error", ""))
        error = error if re.fullmatch(r"[a-z_]{1,64}", error) else "no OAuth2 error"
        named = next((code for code in codes if code in ADVICE), None)
        said = ", ".join([f"HTTP {status}", error, *(f"AADSTS{code}" for code in codes[:3])])
        permanent = named is not None or (400 <= status < 500 and error in _OF_CONFIGURATION)
        if named is not None:
            advice = ADVICE[named]
        elif permanent:
            advice = f"check {self._oauth.file}"
        else:
            advice = "it is tried again; if that lasts, check token_uri"
        return TokenError(f"{self._place()}: {said}: {advice}", permanent=permanent)

    def _place(self) -> str:
        return f"OAuth2, asking {self._oauth.token_uri} for a token"


def mail_token(box: Box, home: Path) -> Callable[[], str]:
    """Gives tokens for the box's mailbox; MicrosoftOAuth.json is read when the first is asked for.

    Made anew for each cycle: a right that was granted meanwhile is in the next token.
    """
    made: list[ClientCredentials] = []

    def token() -> str:
        if not made:
            made.append(ClientCredentials(_read(box, home)))
        return made[0]()

    return token


def _read(box: Box, home: Path) -> MicrosoftOAuth:
    found, faults = microsoft_oauth(box.root_path, home, os.environ)
    if found is None:
        raise TokenError("; ".join(map(str, faults)), permanent=True)
    return found


def _limited(pieces: Iterable[bytes]) -> bytes:
    """The body, or nothing where it is longer or slower than any token's."""
    until = time.monotonic() + TIMEOUT_SECONDS
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > MAX_ANSWER_BYTES or time.monotonic() > until:
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


def _cause(error: Exception) -> Exception:
    """The operating system's or TLS's own error under the client's, as far as there is one."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return TimeoutError()
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found if isinstance(found, OSError) else error
