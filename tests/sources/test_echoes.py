"""A server that repeats what it heard, in whatever form, gets no secret into a fault."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from crmservice.config import Endpoint, Login, Secret
from crmservice.microsoft.tokens import Token
from crmservice.sources import Source, SourceError
from crmservice.sources.imap import ImapSource
from crmservice.sources.pop3 import Pop3Source
from crmservice.testing.source_contract import NOTHING
from crmservice.testing.tokens import FixedToken
from crmservice.tls import Timeouts, tls_context
from tests.support import echoes
from tests.support.stub import Talk, serve

ACCENTS = "S3CR3T žluť CANARY"
"""LOGIN can't carry this one."""

Make = Callable[[int, str, Token | None], Source]


def imap(port: int, password: str, token: Token | None) -> Source:
    login = Login("crm@firma.cz", Secret(password), oauth=token is not None)
    return ImapSource(Endpoint("127.0.0.1", port, "plain"), login, tls_context(), Timeouts(2, 2, 20), token)


def pop3(port: int, password: str, token: Token | None) -> Source:
    login = Login("crm@firma.cz", Secret(password), oauth=token is not None)
    return Pop3Source(Endpoint("127.0.0.1", port, "plain"), login, tls_context(), Timeouts(2, 2, 20), token)


def fault_of(make: Make, echo: Callable[[Talk], None], password: str, token: Token | None = None) -> str:
    with serve(echo) as (port, received):
        source = make(port, password, token)
        with pytest.raises(SourceError) as caught:
            list(source.fetch(NOTHING.__contains__, 10))
        source.close()
    assert received
    return str(caught.value)


def imap_without_plain(talk: Talk) -> None:
    """LOGIN is all it knows."""
    send = talk.send
    talk.send = lambda *lines: send(*(line.replace(b" AUTH=PLAIN", b"") for line in lines))  # type: ignore[method-assign]
    echoes.imap(talk)


@pytest.mark.parametrize("password", ["S3CR3T-CANARY", 'S3CR3T "CAN\\ARY"', "S3CR3T 'CANARY'", ACCENTS])
@pytest.mark.parametrize(
    ("make", "echo"),
    [(imap, echoes.imap), (imap, imap_without_plain), (pop3, echoes.pop3)],
    ids=["plain", "login", "pop3"],
)
def test_a_password_is_never_repeated(make: Make, echo: Callable[[Talk], None], password: str) -> None:
    said = fault_of(make, echo, password)
    assert ("***" if (echo, password) != (imap_without_plain, ACCENTS) else "AUTH=PLAIN") in said
    assert "S3CR3T" not in said
    assert "ARY" not in said
    for before in range(3):
        assert base64.b64encode(b"x" * before + password.encode()).decode()[4:16] not in said


@pytest.mark.parametrize(("make", "echo"), [(imap, echoes.imap), (pop3, echoes.pop3)], ids=["imap", "pop3"])
def test_a_token_is_never_repeated(make: Make, echo: Callable[[Talk], None]) -> None:
    token = "eyJ0-S3CR3T-" + "x" * 1500
    said = fault_of(make, echo, "", FixedToken(token))
    assert "***" in said
    assert "eyJ0" not in said
    assert "xxxx" not in said
    assert base64.b64encode(f"user=crm@firma.cz\1auth=Bearer {token}".encode()).decode()[:40] not in said
