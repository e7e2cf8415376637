"""Every command that works tells what waits before it ends; a dead mail server changes nothing (SPEC chapter 10)."""

from __future__ import annotations

from tests.cli.conftest import Shell
from tests.notices.sinks import sink
from tests.notices.test_outbox import body, nobody, subjects


def telling(port: int) -> dict[str, str]:
    return {"smtpServer": f"127.0.0.1:{port}", "errorFrom": "crm@firma.cz", "errorTo": "spravce@firma.cz"}


def test_run_once_tells_what_is_wrong_in_the_homes_language(shell: Shell) -> None:
    (shell.home / "crmservice.toml").write_text('language = "cs"\n')
    with sink() as taken:
        keys = {**telling(taken.port), "pop3Url": f"127.0.0.1:{nobody()}", "pop3Password": "x", "pop3Ulr": "x"}
        shell.box(**keys)
        assert shell.run("run", "--once").returncode == 75
    assert subjects(taken) == [
        "CRMService crm: neznámý klíč v souboru schránky",
        "CRMService crm: poštu nejde stáhnout",
    ]
    assert "Chyba:    POP3" in body(taken.mails[1].content)


def test_a_dead_mail_server_changes_no_exit_code_and_says_nothing(shell: Shell) -> None:
    shell.box(**telling(nobody()), pop3Ulr="x")
    mails = shell.mail().parent / "mails"
    mails.mkdir()
    for arguments in (["run", "--once"], ["import", str(mails)]):
        done = shell.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
