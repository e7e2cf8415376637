"""The command line speaks Czech where it is asked to; codes and log words stay as they are."""

from __future__ import annotations

import ast
import json
import re
import socket
from pathlib import Path

import pytest

from crmservice.cli.app import COMMANDS
from tests.cli.conftest import Shell
from tests.documentation.pages import ROOT
from tools import commands_doc, translations


def test_help_is_czech_to_the_last_heading(shell: Shell) -> None:
    said = shell.run("explain", "--help", CRMSERVICE_LANGUAGE="cs").stdout
    for word in ("Použití:", "Argumenty:", "Volby:", "Ukázat tuto nápovědu", "Příklad:", "povinné"):
        assert word in said
    for word in ("Usage", "Options", "Arguments", "Example", "required", "Show this"):
        assert word not in said


def test_the_home_may_choose_the_language_and_the_environment_wins(shell: Shell) -> None:
    shell.mail()
    (shell.home / "crmservice.toml").write_text('language = "cs"\n')
    assert "Předmět: Dotaz" in shell.run("explain", "1.eml").stdout
    assert "Subject: Dotaz" in shell.run("explain", "1.eml", CRMSERVICE_LANGUAGE="en").stdout


def test_log_words_are_never_translated(shell: Shell) -> None:
    shell.mail()
    assert "Výsledek: DELETED" in shell.run("explain", "1.eml", CRMSERVICE_LANGUAGE="cs").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ledger"], "uveďte složku služby pomocí --home"),
        (["ledger", "--jsn"], "nemysleli jste --json?"),
        (["explain"], "chybí"),
        (["mend"], "Příkaz 'mend' neexistuje."),
        (["load", "x.json"], "x.json neexistuje"),
        (["requeue", "x"], "ids: musí být celé číslo"),
        (["ledger", "x"], "přebývá zde x"),
        (["init", "--rules"], "volba --rules potřebuje hodnotu"),
        (["ledger", "--json=1"], "volba --json nemá hodnotu"),
        (["service", "mend"], "není žádná z možností 'install'"),
    ],
)
def test_faults_are_czech(shell: Shell, arguments: list[str], says: str) -> None:
    assert says in shell.run(*arguments, CRMSERVICE_LANGUAGE="cs").stderr


def test_no_word_hides_inside_an_f_string_where_the_catalogue_does_not_find_it() -> None:
    found = {word.id for word in translations.all_words()}
    hidden = [
        f"{file.name}:{call.lineno}"
        for file in (ROOT / "src" / "crmservice" / "cli").glob("*.py")
        for text in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(text, ast.JoinedStr)
        for call in ast.walk(text)
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "_"
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value not in found
    ]
    assert hidden == []


def test_the_page_of_commands_is_current() -> None:
    assert commands_doc.PAGE.read_text("utf-8") == commands_doc.page(), "run tools/commands_doc.py"


def test_every_command_has_help_with_an_example(shell: Shell) -> None:
    page = commands_doc.page()
    sections = page.split("\n## ")[2:]
    assert [section.partition("\n")[0] for section in sections] == list(COMMANDS)
    assert [section for section in sections if not re.search("```\n(sudo )?crmservice ", section)] == []


def test_the_catalogue_finds_what_words_and_faults_say_and_refuses_what_is_no_literal(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(
        "class Gone(TryLater):\n    'It is gone.'\n"
        "class TryLater(CrmServiceError): ...\n"
        "def f(x):\n"
        "    Words('a {b}', b=Words('c'))\n"
        "    raise Gone\n"
        "    raise TryLater('{x}', x=x)\n"
        "    raise errors.TryLater(f'{x} is away')\n"
    )
    assert set(translations.said_in(tmp_path)) == {
        ("planted.py:5", "a {b}"),
        ("planted.py:5", "c"),
        ("planted.py:6", "It is gone."),
        ("planted.py:8", None),
    }


def test_the_ledger_names_differences_in_czech_and_its_json_in_english(shell: Shell) -> None:
    shell.box()
    stranger = shell.home / "POP3Downloads" / "2026-03-02" / "a.eml"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"?")
    name = stranger.relative_to(shell.home).as_posix()
    said = shell.run("ledger", "--quick", CRMSERVICE_LANGUAGE="cs").stdout
    assert f"ROZDÍL: {name}: soubor zálohy, který nepatří žádné zprávě" in said
    account = json.loads(shell.run("ledger", "--quick", "--json", CRMSERVICE_LANGUAGE="cs").stdout)
    assert account["differences"] == [f"{name}: a file of the backup that no message has"]


def test_records_that_can_not_be_loaded_are_named_in_czech(shell: Shell) -> None:
    shell.box()
    (shell.folder / "t.json").write_text('{"users": [{"login": "a", "active": "ano"}, 3], "zzz": []}')
    first, second, third = shell.run("load", "t.json", CRMSERVICE_LANGUAGE="cs").stderr.splitlines()
    assert first == "crmservice: users 'a': active: 'ano' není true ani false"
    assert second == "users záznam 2: není objekt s poli"
    assert third.startswith("zzz: taková tabulka neexistuje (jsou: accounts, ")


def test_check_names_faults_of_files_in_czech(shell: Shell) -> None:
    shell.box(rules="saf", pop3Emai="x", tlsCaFile="/nowhere.pem", imapUrl="imap.firma.cz", imapPassword="env:NONE")
    (shell.home / "broken.xml").write_text("<configuration>\n<add></configuration>")
    (shell.home / "crmservice.toml").write_text('languag = "cs"\nretention = { backups = "0" }\nweb = 1 2\n')
    said = shell.run("check", "--offline", CRMSERVICE_LANGUAGE="cs").stdout
    for words in (
        "broken.xml:2: není správně utvořené XML: koncová značka neodpovídá počáteční\n    → opravte tento řádek",
        "rules: musí být jedno z: manual, safe; měli jste na mysli safe?",
        "pop3Emai: není známý klíč a ignoruje se\n    → měli jste na mysli pop3Email?",
        "tlsCaFile: soubor '/nowhere.pem' neexistuje",
        "imapPassword: proměnná prostředí NONE není nastavena",
        "crmservice.toml:3: není TOML: za zápisem se očekává konec řádku nebo souboru",
    ):
        assert words in said, said


def test_a_broken_settings_file_ends_in_czech(shell: Shell) -> None:
    (shell.home / "crmservice.toml").write_text('time_zone = "Europe/Pragu"\npublic_url = "x"\n')
    done = shell.run("run", "--once", CRMSERVICE_LANGUAGE="cs", CRMSERVICE_WEB="x")
    assert done.returncode == 78
    assert "prostředí: CRMSERVICE_WEB: 'x' není adresa:port" in done.stderr
    assert "'Europe/Pragu' není časové pásmo IANA; měli jste na mysli Europe/Prague?: viz docs" in done.stderr
    assert "public_url: není adresa http ani https: viz docs" in done.stderr


def test_a_dead_server_is_named_in_czech_and_logged_in_english(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shell.box(pop3Url=f"127.0.0.1:{port}", pop3Password="x")
    why = f"POP3, přihlášení (crm@firma.cz na 127.0.0.1:{port}): server odmítá spojení; zkontrolujte port"
    done = shell.run("run", "--once", CRMSERVICE_LANGUAGE="cs")
    assert (done.returncode, why in done.stderr) == (75, True)
    assert "it refuses the connection; check the port" in (shell.home / "CRMService.log").read_text("utf-8")
    assert why in shell.run("check", CRMSERVICE_LANGUAGE="cs").stdout


def test_what_the_system_says_is_czech_too(shell: Shell) -> None:
    gone = shell.folder / "gone"
    shell.box(emlDir=str(gone))
    said = shell.run("run", "--once", CRMSERVICE_LANGUAGE="cs").stderr
    assert f"složku importu {gone} nelze přečíst (soubor nebo složka neexistuje)" in said
    explained = shell.run("explain", shell.folder / "no.eml", "/dev/null", CRMSERVICE_LANGUAGE="cs").stdout
    assert "no.eml: soubor nebo složka neexistuje" in explained
    assert "/dev/null: není to soubor" in explained
