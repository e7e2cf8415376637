from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest

from crmservice.config import Login, Secret
from tests.support.home import Home

CANARY = "S3CR3T-CANARY-7f"
POP3 = {"pop3Url": "localhost"}


@pytest.mark.parametrize(
    "show",
    [
        str, repr, ascii, "{}".format, "{:>20}".format, "{!r}".format, "{!s}".format, "%s".__mod__, "".__add__, json.dumps,
        lambda secret: repr(Login("crm", secret)), lambda secret: repr({"password": [secret]}),
        lambda secret: secret.encode().decode(), lambda secret: f"{secret:.200}", lambda secret: "\n".join([*secret, secret]),
        lambda secret: pickle.dumps(secret, 0).decode(), lambda secret: pickle.dumps(secret).decode("latin-1"),
        lambda secret: repr(getattr(secret, "__dict__", "")),
    ],
)  # fmt: skip
def test_no_way_of_showing_a_secret_shows_it(show) -> None:  # type: ignore[no-untyped-def]
    assert CANARY not in show(Secret(CANARY))


def test_reveal_gives_the_value() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_a_log_line_never_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").debug("login %s %r", Secret(CANARY), Login("crm", Secret(CANARY)))
    assert "***" in caplog.text
    assert CANARY not in caplog.text


def test_a_pickled_secret_has_lost_its_value() -> None:
    lost = pickle.loads(pickle.dumps(Secret(CANARY)))
    with pytest.raises(ValueError, match="lost its value"):
        lost.reveal()


def test_a_copy_keeps_the_value() -> None:
    assert copy.deepcopy(Secret(CANARY)).reveal() == copy.copy(Secret(CANARY)).reveal() == CANARY


def test_secrets_are_equal_by_value_and_to_nothing_else() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a") != "***"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def password(home: Home, value: str) -> Secret:
    result = home.load({**POP3, "pop3Password": value})
    assert result.faults == ()
    login = result.boxes[0].pop3_login
    assert login is not None
    assert login.password is not None
    return login.password


def test_a_plain_password_works_and_says_so(home: Home) -> None:
    secret = password(home, CANARY)
    assert (secret.reveal(), secret.origin) == (CANARY, "plain")


def test_a_password_comes_from_the_environment(home: Home) -> None:
    home.environ["BOX_PW"] = CANARY
    secret = password(home, "env:BOX_PW")
    assert (secret.reveal(), secret.origin) == (CANARY, "env")


@pytest.mark.parametrize("written", [CANARY, CANARY + "\n", CANARY + "\r\n", "\ufeff" + CANARY])
def test_a_password_comes_from_a_file_without_its_line_end(home: Home, written: str) -> None:
    home.raw(written, "pw.txt")
    assert password(home, f"file:{home.folder / 'pw.txt'}").reveal() == CANARY
    assert password(home, "file:pw.txt").origin == "file"


def test_a_relative_file_is_a_systemd_credential_first(home: Home) -> None:
    (home.folder / "credentials").mkdir()
    home.raw("credential", "credentials/pw")
    home.raw("homely", "pw")
    home.environ["CREDENTIALS_DIRECTORY"] = str(home.folder / "credentials")
    assert password(home, "file:pw").reveal() == "credential"


@pytest.mark.parametrize("value", ["env:", "env:NOT_SET", "file:", "file:/nowhere/pw", "file:."])
def test_a_secret_that_is_not_there_is_a_fault(home: Home, value: str) -> None:
    assert [fault.key for fault in home.load({**POP3, "pop3Password": value}).faults] == ["pop3Password"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", CANARY.encode() + b"\r\nDELE 1", CANARY.encode() + b"\0"])
def test_a_file_that_holds_no_one_line_password_is_a_fault(home: Home, content: bytes) -> None:
    home.raw(content, "pw")
    result = home.load({**POP3, "pop3Password": "file:pw"})
    assert [fault.key for fault in result.faults] == ["pop3Password"]
    assert CANARY not in str(result.faults)
