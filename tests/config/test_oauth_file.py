from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crmservice.config import Endpoint, Fault, MicrosoftOAuth, microsoft_oauth
from tests.support.home import Home

CANARY = "S3CR3T-CANARY-7f"
WEB = {
    "client_id": "app",
    "tenant_id": "tenant",
    "auth_uri": "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize",
    "token_uri": "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
    "client_secret": CANARY,
}


def write(folder: Path, text: str | None = None, **changes: Any) -> Path:
    (folder / "Config").mkdir(parents=True, exist_ok=True)
    file = folder / "Config" / "MicrosoftOAuth.json"
    web = {key: value for key, value in (WEB | changes).items() if value is not None}
    file.write_text(json.dumps({"web": web}) if text is None else text, encoding="utf-8")
    return file


def load(home: Home, root: Path | None = None) -> MicrosoftOAuth:
    found, faults = microsoft_oauth(root or home.folder, home.folder, home.environ)
    assert faults == ()
    assert found is not None
    return found


def faults(home: Home) -> tuple[Fault, ...]:
    found, wrong = microsoft_oauth(home.folder, home.folder, home.environ)
    assert found is None
    return wrong


def test_the_manuals_file_is_read_with_its_tenant_in_place(home: Home) -> None:
    write(home.folder)
    found = load(home)
    assert found.token_uri == "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
    assert (found.client_id, found.client_secret.reveal()) == ("app", CANARY)
    assert found.graph_uri == "https://graph.microsoft.com/v1.0"
    assert found.graph_scope == "https://graph.microsoft.com/.default"
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    ("written", "used"),
    [
        (
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
        ),
        ("https://login.microsoftonline.com/Consumers/x", "https://login.microsoftonline.com/tenant/x"),
        (
            "https://login.microsoftonline.us/other/oauth2/v2.0/token",
            "https://login.microsoftonline.us/other/oauth2/v2.0/token",
        ),
        ("http://127.0.0.1:8080/common/token?a=b", "http://127.0.0.1:8080/tenant/token?a=b"),
    ],
)
def test_only_the_general_tenants_are_replaced(home: Home, written: str, used: str) -> None:
    write(home.folder, token_uri=written)
    assert load(home).token_uri == used


def test_the_root_path_is_looked_into_first(home: Home, tmp_path: Path) -> None:
    write(home.folder, client_id="home")
    assert load(home, tmp_path / "root").client_id == "home"
    write(tmp_path / "root", client_id="root")
    assert load(home, tmp_path / "root").client_id == "root"


def test_the_secret_may_be_elsewhere(home: Home) -> None:
    home.environ["SECRET"] = CANARY
    write(home.folder, client_secret="env:SECRET")
    assert load(home).client_secret.reveal() == CANARY


def test_every_missing_key_is_named_at_once(home: Home) -> None:
    write(home.folder, client_id=None, tenant_id="", token_uri=None, client_secret=None)
    assert [fault.key for fault in faults(home)] == [
        "web.client_id", "web.tenant_id", "web.token_uri", "web.client_secret",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url", ["http://login.microsoftonline.com/x", "login.microsoftonline.com", "ftp://x/", "https://", "https://u:p@h/", "http://[::1"]
)  # fmt: skip
@pytest.mark.parametrize("key", ["token_uri", "graph_uri"])
def test_secrets_go_to_https_alone(home: Home, key: str, url: str) -> None:
    write(home.folder, **{key: url})
    assert [fault.key for fault in faults(home)] == [f"web.{key}"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"web": 3}', '{"installed": {}}', "[" * 100_000])
def test_another_file_is_a_fault(home: Home, text: str) -> None:
    write(home.folder, text)
    assert len(faults(home)) == 1


def test_a_value_that_is_no_text_is_a_fault(home: Home) -> None:
    write(home.folder, client_id=5, client_secret=["x"])
    assert [fault.key for fault in faults(home)] == ["web.client_id", "web.client_secret"]


@pytest.mark.parametrize("key", ["pop3OAuth", "imapOAuth", "smtpOAuth"])
def test_a_box_with_oauth_needs_the_file(home: Home, key: str) -> None:
    keys: dict[str, str | list[str]] = {key: "true", key.replace("OAuth", "Url"): "outlook.office365.com"}
    keys = {name: value for name, value in keys.items() if name != "smtpUrl"}
    assert [fault.key for fault in home.load(keys).faults] == [key]
    write(home.folder)
    assert len(home.load(keys).boxes) == 1


def test_pop3_with_oauth_uses_port_995(home: Home) -> None:
    write(home.folder)
    (box,) = home.load({"pop3Url": "outlook.office365.com", "pop3OAuth": "True"}).boxes
    assert box.pop3 == Endpoint("outlook.office365.com", 995, "tls")
    assert box.pop3_login is not None
    assert (box.pop3_login.name, box.pop3_login.oauth, box.pop3_login.password) == ("crm@firma.cz", True, None)
    (box,) = home.load({"pop3Url": "outlook.office365.com:110", "pop3OAuth": "true"}).boxes
    assert box.pop3 == Endpoint("outlook.office365.com", 110, "starttls")


def test_a_graph_mailbox_needs_the_file(home: Home) -> None:
    assert [fault.key for fault in home.load({"graphMailbox": "crm@firma.cz"}).faults] == ["graphMailbox"]
    write(home.folder)
    assert home.load({"graphMailbox": "crm@firma.cz"}).boxes[0].graph_mailbox == "crm@firma.cz"
