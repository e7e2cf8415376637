from __future__ import annotations

import base64
import contextlib
import json
import logging
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from crmservice.config import Box, Endpoint, Login, MicrosoftOAuth, Secret
from crmservice.microsoft.tokens import MAIL_SCOPE, TokenError, Tokens, ask, graph_token, mail_token
from crmservice.sources import open_sources
from crmservice.tls import Timeouts
from tests.support.stub import Talk, serve

WAITS = Timeouts(5, 5, 5)
CANARY = "S3CR3T-CANARY-7f"
GOOD = {"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ-token"}


class Endpoints:
    """A token endpoint: answers in order, the last one again and again."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, list[str]]] = []
        self.paths: list[str] = []

    def __call__(self, talk: Talk) -> None:
        self.paths.append(talk.line().decode().split(" ")[1])
        length = 0
        while line := talk.line():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        body = talk.exactly(length)
        self.asked.append(parse_qs(body.decode()))
        status, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        talk.raw(head.encode() + data)


def settings(port: int) -> MicrosoftOAuth:
    uri = f"http://127.0.0.1:{port}/tenant/oauth2/v2.0/token"
    return MicrosoftOAuth(Path("Config/MicrosoftOAuth.json"), "app", "tenant", uri, Secret(CANARY))


def error_of(endpoint: Endpoints) -> TokenError:
    with serve(endpoint) as (port, _), pytest.raises(TokenError) as caught:
        ask(settings(port), MAIL_SCOPE, WAITS)
    return caught.value


def refused(code: int, error: str = "invalid_client") -> dict[str, object]:
    text = f"AADSTS{code}: refused {CANARY}\r\nTrace ID: 1"
    return {"error": error, "error_description": text, "error_codes": [code]}


def test_a_token_is_asked_for_as_client_credentials_with_the_scope_of_exchange() -> None:
    endpoint = Endpoints((200, GOOD))
    with serve(endpoint) as (port, _):
        assert ask(settings(port), MAIL_SCOPE, WAITS) == ("eyJ-token", 3599)
    assert endpoint.paths == ["/tenant/oauth2/v2.0/token"]
    assert endpoint.asked == [
        {
            "client_id": ["app"],
            "client_secret": [CANARY],
            "grant_type": ["client_credentials"],
            "scope": ["https://outlook.office365.com/.default"],
        }
    ]


@pytest.mark.parametrize(("later", "requests"), [(3298.0, 1), (3299.0, 2)])
def test_a_token_serves_until_300_seconds_before_its_end(later: float, requests: int) -> None:
    endpoint = Endpoints((200, GOOD))
    clock = iter([0.0, later, later])
    with serve(endpoint) as (port, _):
        tokens = Tokens(clock=lambda: next(clock))
        tokens.token(settings(port), MAIL_SCOPE)
        tokens.token(settings(port), MAIL_SCOPE)
    assert len(endpoint.asked) == requests


@pytest.mark.parametrize("lasts", [None, "soon", -1, 3.5, True])
def test_a_token_without_a_usable_end_serves_once(lasts: object) -> None:
    endpoint = Endpoints((200, {**GOOD, "expires_in": lasts}))
    with serve(endpoint) as (port, _):
        tokens = Tokens()
        assert [tokens.token(settings(port), MAIL_SCOPE) for _ in range(2)] == ["eyJ-token"] * 2
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (7000215, "not its id"),
        (7000222, "has expired"),
        (7000112, "disabled"),
        (700016, "client_id"),
        (90002, "tenant_id"),
        (900023, "tenant_id"),
        (500011, "subscription"),
        (53003, "Conditional Access"),
    ],
)
def test_a_refusal_is_said_in_words_and_is_for_the_administrator(code: int, words: str) -> None:
    error = error_of(Endpoints((401, refused(code))))
    assert error.permanent
    assert words in str(error)
    assert f"AADSTS{code}" in str(error)
    assert CANARY not in str(error)


def test_a_code_that_stands_in_the_text_alone_is_told_too() -> None:
    text = f"AADSTS7000222: The provided client secret keys for app '{CANARY}' are expired."
    error = error_of(Endpoints((401, {"error": "invalid_client", "error_description": text})))
    assert error.permanent
    assert "AADSTS7000222: " in str(error)
    assert "has expired" in str(error)
    assert CANARY not in str(error)


@pytest.mark.parametrize(
    ("status", "answer", "permanent"),
    [
        (400, {"error": "invalid_scope"}, True),
        (401, refused(1), True),
        (429, {"error": "temporarily_unavailable"}, False),
        (503, b"<html>busy</html>", False),
        (503, refused(1), False),
        (200, b"", False),
        (200, b"[" * 100_000, False),
        (200, {"access_token": "two\r\nlines", "expires_in": 3599}, False),
        (200, {"access_token": 7}, False),
        (200, b" " * 300_000 + json.dumps(GOOD).encode(), False),
        (302, b"", False),
        (400, {"error": CANARY, "error_codes": "x"}, False),
    ],
)
def test_any_other_answer_is_an_error_that_knows_whether_it_passes(
    status: int, answer: object, permanent: bool
) -> None:
    error = error_of(Endpoints((status, answer)))
    assert error.permanent == permanent
    assert f"HTTP {status}" in str(error)
    assert CANARY not in str(error)


def test_an_endpoint_that_is_not_there_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with serve(lambda _talk: None) as (port, _):
        pass
    with caplog.at_level(logging.DEBUG), pytest.raises(TokenError, match="refuses the connection") as caught:
        ask(settings(port), MAIL_SCOPE, WAITS)
    assert not caught.value.permanent
    assert CANARY not in caplog.text + str(caught.value)


def test_no_secret_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), serve(Endpoints((200, GOOD))) as (port, _):
        ask(settings(port), MAIL_SCOPE, WAITS)
    assert CANARY not in caplog.text
    assert "eyJ-token" not in caplog.text


def oauth_file(home: Path, port: int, secret: str = CANARY) -> None:
    web = {
        "client_id": "app",
        "tenant_id": "tenant",
        "token_uri": f"http://127.0.0.1:{port}/organizations/oauth2/v2.0/token",
        "client_secret": secret,
    }
    (home / "Config").mkdir(exist_ok=True)
    (home / "Config" / "MicrosoftOAuth.json").write_text(json.dumps({"web": web}))


def test_a_mailbox_is_read_with_a_token_of_its_tenant(tmp_path: Path) -> None:
    lines: list[bytes] = []

    def mailbox(talk: Talk) -> None:
        for answer in (b"+OK\r\n", b"+ \r\n", b"+OK\r\n", b"+OK\r\n.\r\n", b"+OK 0 0\r\n"):
            talk.raw(answer)
            lines.append(talk.line())

    endpoint = Endpoints((200, GOOD))
    with serve(endpoint) as (port, _), serve(mailbox) as (pop3, _):
        oauth_file(tmp_path, port)
        server, login = Endpoint("127.0.0.1", pop3, "plain"), Login("crm@firma.cz", oauth=True)
        box = Box("crm", "crm@firma.cz", root_path=tmp_path, pop3=server, pop3_login=login)
        (source,) = open_sources(box, token=mail_token(box, tmp_path, Tokens()))
        assert list(source.fetch(lambda _id: False, 1000)) == []
        source.close()
    assert endpoint.paths == ["/tenant/oauth2/v2.0/token"]
    assert base64.b64decode(lines[1]) == b"user=crm@firma.cz\1auth=Bearer eyJ-token\1\1"


def test_a_missing_file_is_named_when_a_token_is_asked_for(tmp_path: Path) -> None:
    token = mail_token(Box("crm", "crm@firma.cz", root_path=tmp_path), tmp_path, Tokens())
    with pytest.raises(TokenError, match=r"MicrosoftOAuth\.json") as caught:
        token()
    assert caught.value.permanent


def test_one_token_serves_every_cycle_and_another_resource_has_its_own(tmp_path: Path) -> None:
    endpoint = Endpoints((200, GOOD))
    tokens = Tokens()
    box = Box("crm", "crm@firma.cz", root_path=tmp_path)
    with serve(endpoint) as (port, _):
        oauth_file(tmp_path, port)
        for _cycle in range(3):
            mail_token(box, tmp_path, tokens)()
            graph_token(tmp_path, tmp_path, tokens)()
    scopes = [asked["scope"][0] for asked in endpoint.asked]
    assert scopes == ["https://outlook.office365.com/.default", "https://graph.microsoft.com/.default"]


def test_a_token_that_a_server_refused_is_asked_for_anew_and_a_newer_one_stays(tmp_path: Path) -> None:
    endpoint = Endpoints((200, GOOD), (200, {**GOOD, "access_token": "second"}))
    with serve(endpoint) as (port, _):
        oauth_file(tmp_path, port)
        token = graph_token(tmp_path, tmp_path, Tokens())
        first = token()
        token.refused(first)
        assert token() == "second"
        token.refused(first)
        assert token() == "second"
    assert len(endpoint.asked) == 2


def test_a_new_secret_in_the_file_is_used_at_once(tmp_path: Path) -> None:
    endpoint = Endpoints((200, GOOD))
    with serve(endpoint) as (port, _):
        oauth_file(tmp_path, port)
        token = graph_token(tmp_path, tmp_path, Tokens())
        token()
        oauth_file(tmp_path, port, secret="another")
        token()
    assert [asked["client_secret"] for asked in endpoint.asked] == [[CANARY], ["another"]]


def test_a_secret_that_is_named_in_the_file_may_be_renewed_where_it_is(tmp_path: Path) -> None:
    endpoint = Endpoints((200, GOOD))
    environ = {"CRM_SECRET": CANARY}
    with serve(endpoint) as (port, _):
        oauth_file(tmp_path, port, secret="env:CRM_SECRET")
        token = graph_token(tmp_path, tmp_path, Tokens(environ))
        token()
        environ["CRM_SECRET"] = "another"
        token()
    assert [asked["client_secret"] for asked in endpoint.asked] == [[CANARY], ["another"]]


def test_a_file_that_somebody_is_editing_does_not_stop_the_mail(tmp_path: Path) -> None:
    with serve(Endpoints((200, GOOD))) as (port, _):
        oauth_file(tmp_path, port)
        token = graph_token(tmp_path, tmp_path, Tokens())
        token()
        (tmp_path / "Config" / "MicrosoftOAuth.json").write_text('{"web": {"client_')
        assert token() == "eyJ-token"


def test_threads_that_want_a_token_at_once_make_one_request(tmp_path: Path) -> None:
    endpoint = Endpoints((200, GOOD))
    with serve(endpoint) as (port, _), ThreadPoolExecutor(4) as pool:
        oauth_file(tmp_path, port)
        token = graph_token(tmp_path, tmp_path, Tokens())
        assert set(pool.map(lambda _n: token(), range(8))) == {"eyJ-token"}
    assert len(endpoint.asked) == 1


def test_an_endpoint_that_is_slow_or_trickles_ends_in_time() -> None:
    def trickle(talk: Talk) -> None:
        while talk.line():
            pass
        talk.raw(b"HTTP/1.1 200 OK\r\nX: ")
        with contextlib.suppress(OSError):
            while True:
                talk.raw(b"x")
                time.sleep(0.05)

    with serve(trickle) as (port, _), pytest.raises(TokenError, match="did not answer in time") as caught:
        ask(settings(port), MAIL_SCOPE, Timeouts(connect=5, read=5, session=0.3))
    assert not caught.value.permanent


@pytest.mark.parametrize(("code", "permanent"), [(90033, False), (50196, False), (7000215, True)])
def test_a_refusal_that_passes_is_told_from_one_of_configuration(code: int, permanent: bool) -> None:
    error = error_of(Endpoints((400, refused(code, "invalid_request"))))
    notice = "oauth" if permanent else "box-failing"
    assert (error.permanent, error.code, error.notice) == (permanent, code, notice)


def test_an_endpoint_that_asks_to_be_left_alone_says_how_long() -> None:
    def busy(talk: Talk) -> None:
        while talk.line():
            pass
        talk.raw(b"HTTP/1.1 429 x\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n")

    with serve(busy) as (port, _), pytest.raises(TokenError) as caught:
        ask(settings(port), MAIL_SCOPE, WAITS)
    assert caught.value.retry_after == 17


# C24: fifty faults of the token endpoint

FAULTS: tuple[tuple[int, object, bool], ...] = (
    (401, refused(7000222), True),
    (401, refused(7000215), True),
    (400, refused(0, "invalid_grant"), True),
    (400, refused(700016, "unauthorized_client"), True),
    (500, b"<html>Internal Server Error</html>", False),
    (503, {"error": "temporarily_unavailable"}, False),
    (429, {"error": "too_many_requests"}, False),
    (200, b'{"access_token": "cut', False),
    (400, refused(90033, "invalid_request"), False),
    (502, b"", False),
)


def test_fifty_faults_are_told_apart_and_none_shows_a_secret(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    endpoint = Endpoints(*[(status, answer) for status, answer, _permanent in FAULTS * 5], (200, GOOD))
    said: list[str] = []
    with caplog.at_level(logging.DEBUG), serve(endpoint) as (port, _):
        oauth_file(tmp_path, port)
        token = graph_token(tmp_path, tmp_path, Tokens(timeouts=WAITS))
        for _status, _answer, permanent in FAULTS * 5:
            with pytest.raises(TokenError) as caught:
                token()
            assert caught.value.permanent == permanent
            said += [
                "".join(traceback.format_exception(caught.value)),
                repr(caught.value),
                repr(caught.value.words.facts),
            ]
        assert token() == "eyJ-token"
    text = caplog.text + "".join(said)
    assert len(endpoint.asked) == 51
    assert {asked["client_secret"][0] for asked in endpoint.asked} == {CANARY}
    assert CANARY not in text
    assert "eyJ-token" not in text
