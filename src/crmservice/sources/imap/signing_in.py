"""Signing in to an IMAP server: by a password, or by a token (RFC 4959, RFC 7628)."""

from __future__ import annotations

from imapclient.exceptions import LoginError

from crmservice.microsoft.tokens import Token
from crmservice.sources import SIGNING_IN, Mailbox, in_base64, token_logins
from crmservice.sources.imap.bounded import SLACK_BYTES, BoundedClient
from crmservice.words import Words


def sign_in(client: BoundedClient, mailbox: Mailbox, token: Token | None, secrets: list[str]) -> None:
    """Sign in; ``secrets`` gets what must not be quoted of the server's texts. Raises SourceError and TROUBLE."""
    client.bounded.allow(SLACK_BYTES)
    if mailbox.login.oauth:
        _by_token(client, mailbox, token, secrets)
        return
    name = mailbox.login.name
    password = mailbox.login.password.reveal() if mailbox.login.password else ""
    secrets[:] = [password, in_base64(f"\0{name}\0{password}".encode())]
    if client.has_capability("AUTH=PLAIN"):
        client.plain_login(name, password)
    elif client.has_capability("LOGINDISABLED"):
        why = Words("it takes no password on this connection; use port 993")
        raise mailbox.fault(SIGNING_IN, why, permanent=True)
    elif not password.isascii():
        why = Words(
            "it knows no AUTH=PLAIN, and LOGIN takes a password of ASCII letters alone; choose another password"
        )
        raise mailbox.fault(SIGNING_IN, why, permanent=True)
    else:
        client.login(name, password)


def _by_token(client: BoundedClient, mailbox: Mailbox, token: Token | None, secrets: list[str]) -> None:
    if token is None:
        raise mailbox.no_token()
    given = token()
    logins = token_logins(mailbox.login.name, given)
    offered = [one for one in logins if client.has_capability(f"AUTH={one.mechanism}")]
    chosen = (offered or logins)[0]
    secrets[:] = [given, in_base64(chosen.answer)]
    answers = iter([chosen.answer])
    try:
        client.sasl_login(chosen.mechanism, lambda _challenge: next(answers, chosen.end))
    except LoginError:
        token.refused(given)
        raise
