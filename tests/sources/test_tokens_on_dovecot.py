"""Signing in by a token on a real Dovecot: XOAUTH2 and OAUTHBEARER, keys of its own and an introspection endpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crmservice.config import Endpoint, Login
from crmservice.sources import Source, SourceError
from crmservice.sources.imap import ImapSource
from crmservice.sources.pop3 import Pop3Source
from crmservice.testing.source_contract import NOTHING, message
from crmservice.testing.tokens import FixedToken
from crmservice.tls import Timeouts, tls_context
from tests.support import dovecot
from tests.support.dovecot import Dovecot
from tests.support.jwt import introspection

pytestmark = pytest.mark.server

WAITS = Timeouts(5, 10, 60)
MAKERS: dict[str, Callable[..., Source]] = {"pop3": Pop3Source, "imap": ImapSource}


def source(server: Dovecot, kind: str, token: FixedToken, *, user: str = "crm@firma.cz", tls: bool = True) -> Source:
    endpoint = Endpoint("localhost", server.ports[kind + "s" if tls else kind], "tls" if tls else "starttls")
    return MAKERS[kind](endpoint, Login(user, oauth=True), tls_context(server.certificates.ca), WAITS, token)


def taken(one: Source) -> list[bytes]:
    """Everything that the source has, deleted there."""
    try:
        found = list(one.fetch(NOTHING.__contains__, 10_000))
        one.confirm([seen.source_id for seen in found])
        return [seen.data for seen in found]
    finally:
        one.close()


@pytest.fixture(scope="module", params=["xoauth2", "oauthbearer"])
def other(request: pytest.FixtureRequest) -> Iterator[Dovecot]:
    """A server that takes this mechanism alone."""
    if reason := dovecot.why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="crmservice-dovecot-") as base:
        running = dovecot.start(Path(base), mechanisms=request.param)
        yield running
        running.stop()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "starttls"])
def test_a_token_opens_the_mailbox_and_mail_is_taken(server: Dovecot, kind: str, tls: bool) -> None:
    server.empty()
    server.deliver(message(1))
    assert taken(source(server, kind, FixedToken(server.signer.token()), tls=tls)) == [message(1)]
    assert server.left() == []


@pytest.mark.parametrize("kind", MAKERS)
def test_the_one_mechanism_that_is_offered_is_used(other: Dovecot, kind: str) -> None:
    other.empty()
    other.deliver(message(1))
    token = FixedToken(other.signer.token())
    assert taken(source(other, kind, token)) == [message(1)]
    assert token.refusals == []


@pytest.mark.parametrize("kind", MAKERS)
def test_a_refused_token_is_refused_by_either_mechanism(other: Dovecot, kind: str) -> None:
    token = FixedToken(other.signer.token(lasts=-60))
    with pytest.raises(SourceError, match="enterprise application") as caught:
        taken(source(other, kind, token))
    assert caught.value.permanent
    assert token.refusals == [token()]
    assert token() not in str(caught.value)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "wrong",
    [{"lasts": -60}, {"issuer": "https://elsewhere.example/"}, {"key_id": "unknown"}],
    ids=["expired", "wrong issuer", "unknown key"],
)
def test_a_token_that_is_not_good_is_refused_for_good_and_never_shown(
    server: Dovecot, kind: str, wrong: dict[str, str | int]
) -> None:
    token = FixedToken(server.signer.token(**wrong))  # type: ignore[arg-type]  # each by its own type
    with pytest.raises(SourceError, match="enterprise application") as caught:
        taken(source(server, kind, token))
    assert caught.value.permanent
    assert token.refusals == [token()]
    assert token() not in str(caught.value)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("text", ["garbage", "a.b.c"])
def test_what_is_no_token_is_refused(server: Dovecot, kind: str, text: str) -> None:
    with pytest.raises(SourceError, match="enterprise application"):
        taken(source(server, kind, FixedToken(text)))


@pytest.mark.parametrize("kind", MAKERS)
def test_another_mailbox_is_not_opened_by_a_good_token(server: Dovecot, kind: str) -> None:
    with pytest.raises(SourceError, match="Add-MailboxPermission") as caught:
        taken(source(server, kind, FixedToken(server.signer.token()), user="other@firma.cz"))
    assert caught.value.permanent


def test_a_server_that_asks_an_endpoint_about_tokens_takes_those_it_knows() -> None:
    if reason := dovecot.why_not():
        pytest.skip(reason)
    with (
        introspection({"good-token"}) as url,
        tempfile.TemporaryDirectory(prefix="crmservice-dovecot-") as base,
    ):
        running = dovecot.start(Path(base), introspection_url=url)
        try:
            for kind in MAKERS:
                running.deliver(message(1))
                assert taken(source(running, kind, FixedToken("good-token"))) == [message(1)]
                with pytest.raises(SourceError, match="enterprise application"):
                    taken(source(running, kind, FixedToken("revoked-token")))
        finally:
            running.stop()
