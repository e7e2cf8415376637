from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crmservice.cli import app, check
from crmservice.config import load_boxes, load_settings
from tests.support.home import Home
from tests.support.stub import Pop3Stub, serve

CANARY = "S3CR3T-CANARY-7f"


def run(home: Home, *arguments: str) -> int:
    return app.run(["--home", str(home.folder), *arguments])


def levels(home: Home) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in check.findings_of(home.folder, offline=True):
        found.setdefault(finding.level, set()).add(finding.message)
    return found


def test_init_writes_a_safe_box_for_its_owner_alone(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home.folder / "eml"
    folder.mkdir()
    assert run(home, "init", "--email", "crm@firma.cz", "--eml-dir", str(folder), "--yes") == 0
    file = home.folder / "crm.xml"
    assert file.stat().st_mode & 0o777 == 0o600
    (box,) = load_boxes(home.folder, load_settings(home.folder, {}).settings, {}).boxes
    assert (box.email, box.safe, box.eml_dir) == ("crm@firma.cz", True, folder)
    said = capsys.readouterr().out
    assert "journal rule" in said
    assert "emlDir: answers" in said


def test_init_never_overwrites_a_box(home: Home) -> None:
    home.box({"pop3Email": "old@firma.cz"})
    before = (home.folder / "crm.xml").read_bytes()
    assert run(home, "init", "--email", "crm@firma.cz", "--offline", "--yes") == 78
    assert (home.folder / "crm.xml").read_bytes() == before


def test_init_makes_a_box_that_is_read_through_graph_and_says_how_the_right_is_given(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["init", "--email", "crm@firma.cz", "--graph", "--offline", "--yes"]
    assert run(home, *arguments) == 78
    assert "MicrosoftOAuth.json" in capsys.readouterr().out
    web = {"client_id": "a", "tenant_id": "t", "token_uri": "https://localhost/common/token", "client_secret": "x"}
    (home.folder / "Config").mkdir()
    (home.folder / "Config" / "MicrosoftOAuth.json").write_text(json.dumps({"web": web}))
    assert run(home, *arguments) == 0
    (box,) = home.load().boxes
    assert box.graph_mailbox == "crm@firma.cz"
    said = capsys.readouterr().out
    assert "PrimarySmtpAddress -eq 'crm@firma.cz'" in said
    assert "Add-MailboxPermission" not in said


def test_init_names_where_the_password_is_and_never_writes_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOX_PW", CANARY)
    arguments = ["init", "--email", "crm@firma.cz", "--imap", "mail.firma.cz", "--password-env", "BOX_PW"]
    assert run(home, *arguments, "--offline", "--yes") == 0
    text = (home.folder / "crm.xml").read_text()
    assert "env:BOX_PW" in text
    assert CANARY not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--yes"], ["--email", "crm@firma.cz", "--imap", "mail.firma.cz", "--yes"],
        ["--email", "crm@firma.cz", "--name", "../crm", "--yes"], ["--email", "no address", "--yes"],
        ["--email", "crm@firma.cz", "--rules", "save", "--yes"],
        ["--email", "crm@firma.cz", "--imap", "mail.firma.cz", "--oauth", "--yes"],
        ["--email", "crm@firma.cz", "--imap", "a", "--pop3", "a", "--password-env", "HOME", "--yes"],
        ["--email", "crm@firma.cz", "--imap", "imaps://a", "--password-env", "HOME", "--yes"],
        ["--email", "crm@firma.cz", "--imap", "a", "--password-env", "NOT_SET", "--yes"],
    ],
    ids=["no address", "no password", "a path as name", "bad address", "bad word", "oauth without its file",
         "two readers", "a scheme", "an unset variable"],
)  # fmt: skip
def test_init_refuses_what_can_not_work(home: Home, arguments: list[str]) -> None:
    assert run(home, "init", "--offline", *arguments) == 78
    assert not (home.folder.parent / "crm.xml").exists()
    assert list(home.folder.iterdir()) == []


def test_init_prints_the_steps_at_microsoft_with_the_boxs_address(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.folder / "Config").mkdir()
    web = {"client_id": "a", "tenant_id": "t", "token_uri": "https://localhost/common/token", "client_secret": "x"}
    home.raw(json.dumps({"web": web}), "Config/MicrosoftOAuth.json")
    run(home, "init", "--email", "crm@firma.cz", "--imap", "outlook.office365.com", "--oauth", "--offline", "--yes")
    said = capsys.readouterr().out
    for word in ("Get-MgServicePrincipal", 'New-ServicePrincipal -AppId $app.AppId -ObjectId $app.Id', "Add-MailboxPermission",
                 '-BlindCopyTo "crm@firma.cz"', "Enterprise application"):  # fmt: skip
        assert word in said
    assert "AzureAD" not in said


def test_check_finds_nothing_wrong_with_a_careful_box(home: Home) -> None:
    home.environ["PW"] = CANARY
    os.environ["PW"] = CANARY
    try:
        home.box(
            {"pop3Email": "crm@firma.cz", "pop3Url": "mail.firma.cz", "pop3Password": "env:PW", "authservId": "mx",
             "errorTo": "a@firma.cz", "smtpServer": "localhost"}
        ).chmod(0o600)  # fmt: skip
        found = levels(home)
    finally:
        del os.environ["PW"]
    assert not {"fault", "warning"} & set(found)
    assert all("Python" in message for message in found.get("risk", set()))


def test_check_has_nothing_to_say_where_microsoft_is_believed_in_a_mailbox_of_microsoft_365(home: Home) -> None:
    keys = {"imapUrl": "outlook.office365.com", "imapPassword": "x", "emlDir": "/in"}
    home.box({"pop3Email": "crm@firma.cz", "authservId": "microsoft", **keys}).chmod(0o600)
    assert not any("authservId" in message for message in levels(home)["risk"])


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"pop3Url": "mail.firma.cz", "pop3Password": CANARY}, "stands in the file itself"),
        ({"allowInsecure": "true"}, "nothing here needs"),
        ({"allowInsecure": "true", "imapUrl": "a", "imapPassword": "x"}, "nothing here needs"),
        ({"allowInsecure": "true", "pop3Url": "mail.firma.cz", "pop3Password": "x"}, "in the clear: pop3Url"),
        (
            {"allowInsecure": "true", "smtpListen": "0.0.0.0:25", "smtpListenNetworks": "10.0.0.0/8"},
            "in the clear: smtpListen",
        ),
        (
            {"allowInsecure": "true", "smtpListen": "127.0.0.1:25", "smtpListenNetworks": "10.0.0.0/8"},
            "nothing here needs",
        ),
        ({"smtpListen": "[::]:25"}, "lets none of them deliver"),
        ({}, "authservId"),
        ({"authservId": "microsoft", "emlDir": "/in"}, "authservId=microsoft"),
        ({"authservId": "microsoft", "smtpListen": "127.0.0.1:25"}, "authservId=microsoft"),
        ({"authservId": "microsoft", "imapUrl": "mail.firma.cz", "imapPassword": "x"}, "authservId=microsoft"),
        ({}, "errorTo"),
        ({"pop3Url": "a", "pop3Password": "x", "imapUrl": "a", "imapPassword": "x"}, "more than one way"),
    ],
)
def test_check_names_each_risk(home: Home, keys: dict[str, str | list[str]], named: str) -> None:
    home.box({"pop3Email": "crm@firma.cz", **keys}).chmod(0o600)
    risks = levels(home)["risk"]
    assert any(named in message for message in risks)
    assert CANARY not in str(risks)


def test_check_names_a_certificate_that_can_not_be_used(home: Home) -> None:
    cert = home.raw("no certificate", "cert.pem")
    home.box({"pop3Email": "crm@firma.cz", "smtpListen": "127.0.0.1:25", "smtpListenCert": str(cert)})
    (fault,) = levels(home)["fault"]
    assert fault.startswith(f"smtpListenCert {cert} can't be used: it must hold a certificate in PEM form")


def test_check_tries_the_port_that_is_listened_at(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(lambda talk: talk.send(b"220 mail.firma.cz ESMTP Postfix")) as (port, _heard):
        address = f"127.0.0.1:{port}"
        home.box({"pop3Email": "crm@firma.cz", "smtpListen": address}).chmod(0o600)
        assert run(home, "check") == 75
    assert (
        f"crm smtpListen: smtpListen {address} can't be listened at: Address already in use" in capsys.readouterr().out
    )
    assert run(home, "check") == 0
    assert "OK  crm smtpListen: can be listened at" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_check_names_files_that_everybody_can_read(home: Home) -> None:
    home.box({"pop3Email": "crm@firma.cz"}).chmod(0o644)
    assert any("everybody" in message for message in levels(home)["risk"])


def test_check_ends_with_78_on_a_fault_and_on_an_empty_home(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "check") == 78
    home.box({"pop3Email": "nobody"})
    assert run(home, "check", "--json") == 78
    findings = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"level": "fault", "where": f"{home.folder / 'crm.xml'}:4 pop3Email"}.items() <= findings[0].items()


def test_check_ends_with_75_where_a_server_is_not_reached(home: Home) -> None:
    home.box({"pop3Email": "crm@firma.cz", "imapUrl": "localhost:1", "imapPassword": "x"})
    assert run(home, "check") == 75
    assert run(home, "check", "--offline") == 0


def test_check_ends_with_78_where_a_keyword_is_none(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.box({"pop3Email": "crm@firma.cz"})
    home.raw('[keywords]\ncontracts = ["akce"]\n', "crmservice.toml")
    assert run(home, "check", "--offline") == 78
    assert "did you mean contract?" in capsys.readouterr().out


def test_check_ends_with_78_where_the_import_folder_is_missing(home: Home) -> None:
    home.box({"pop3Email": "crm@firma.cz", "emlDir": str(home.folder / "gone")})
    assert run(home, "check") == 78


def test_a_broken_microsoft_file_is_found_though_no_box_uses_it(home: Home) -> None:
    home.box({"pop3Email": "crm@firma.cz"})
    (home.folder / "Config").mkdir()
    home.raw("{}", "Config/MicrosoftOAuth.json")
    assert run(home, "check", "--offline") == 78


def test_trying_a_source_reads_and_deletes_nothing(tmp_path: Path) -> None:
    from crmservice.cli.probing import try_sources
    from crmservice.config import Box, Endpoint, Login, Secret

    stub = Pop3Stub([b"Subject: x\r\n\r\n"])
    with serve(stub) as (port, received):
        box = Box(
            "crm", "crm@firma.cz", pop3=Endpoint("127.0.0.1", port, "plain"), pop3_login=Login("crm", Secret("x"))
        )
        assert [tried.problem for tried in try_sources(box, tmp_path)] == [None]
    assert b"RETR" not in received
    assert b"DELE" not in received
