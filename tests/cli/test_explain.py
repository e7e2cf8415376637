"""explain: total over whatever it is given, without a database where records are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from crmservice.testing.builders import COMPANY, eml
from tests.cli.conftest import Shell


def lines(shell: Shell, *arguments: str) -> list[dict[str, object]]:
    done = shell.run("explain", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_works_without_a_home_a_box_or_records(shell: Shell) -> None:
    shell.mail()
    (line,) = lines(shell, "1.eml")
    assert line["log"] == ["DELETED"]
    assert list(shell.home.iterdir()) == []


def test_records_of_a_file_win_over_the_homes(shell: Shell) -> None:
    shell.box()
    shell.mail()
    (shell.folder / "company.json").write_text(json.dumps(COMPANY), "utf-8")
    (line,) = lines(shell, "1.eml", "--records", "company.json")
    assert line["log"] == ["PROCESSED"]


def test_records_need_no_django(shell: Shell) -> None:
    shell.mail()
    (shell.folder / "company.json").write_text(json.dumps(COMPANY), "utf-8")
    code = (
        "import sys; from crmservice.cli.app import run;"
        "run(['explain', '--json', '--records', 'company.json', '1.eml']);"
        "print([name for name in sys.modules if name.partition('.')[0] in ('django', 'sqlite3', 'httpx', 'rich')])"
    )
    # Whoever measures coverage brings SQLite along.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shell.folder, capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_folders_are_read_through_and_anything_in_them_is_answered(shell: Shell) -> None:
    folder = shell.folder / "mails" / "deeper"
    folder.mkdir(parents=True)
    (folder / "a.eml").write_bytes(eml())
    (folder / "noise.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "empty").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    found = {str(line["file"]).rpartition("/")[2]: line for line in lines(shell, "mails")}
    assert set(found) == {"a.eml", "noise.bin", "empty", "pipe"}
    assert found["pipe"]["error"] == "this is no file"
    assert [name for name, line in found.items() if "error" in line] == ["pipe"]


def test_an_empty_folder_is_said_to_be_empty(shell: Shell) -> None:
    (shell.folder / "none").mkdir()
    done = shell.run("explain", "none")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no file" in done.stderr


def test_a_mail_of_several_boxes_is_decided_by_the_defaults_or_for_the_one_named(shell: Shell) -> None:
    shell.box("crm", ignoreSubject=["Dotaz"])
    shell.box("obchod")
    shell.mail()
    assert lines(shell, "1.eml")[0]["log"] == ["DELETED"]
    assert lines(shell, "1.eml", "--box", "crm")[0]["log"] == ["IGNORED SUBJECT", "DELETED"]


def test_what_a_stranger_writes_does_not_steer_the_terminal(shell: Shell) -> None:
    shell.mail(eml(subject="=?utf-8?q?=1B]0;owned=07=1B[2J?="))
    assert "\x1b" not in shell.run("explain", "1.eml").stdout
