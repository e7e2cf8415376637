"""A fault is a sentence with the way out, and an exit code; never a traceback."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crmservice.cli import app
from crmservice.cli.app import globals_first
from crmservice.cli.speaking import spoken
from tests.cli.conftest import Shell


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "--once"], 78, "holds no technology box"),
        (["ledger"], 78, "neither a technology box nor a database"),
        (["export"], 78, "neither a technology box nor a database"),
        (["requeue"], 78, "neither a technology box nor a database"),
        (["replay"], 78, "neither a technology box nor a database"),
        (["explain", "--box", "other", "x.eml"], 78, "there is no technology box other"),
        (["explain"], 2, "files: is missing"),
        (["load", "gone.json"], 78, "does not exist"),
        (["import", "gone"], 78, "is no folder"),
        (["replay", "--since", "yesterday"], 2, "write it as 2026-11-30"),
        (["requeue", "x"], 2, "ids:"),
        (["requeue", "9" * 23], 2, "must be 9223372036854775807 or less"),
        (["undo", "9" * 23], 2, "must be 9223372036854775807 or less"),
        (["undo", "--change", "9" * 23], 2, "must be 9223372036854775807 or less"),
        (["simulate", "--rules", "manual", "--days", "800000"], 2, "must be 36500 or less"),
        (["audit", "list", "--limit", "9" * 23], 2, "must be 1000000 or less"),
        (["ledger", "--jsn"], 2, "did you mean --json?"),
        (["mend"], 2, "No such command 'mend'"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(shell: Shell, arguments: list[str], code: int, says: str) -> None:
    done = shell.run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "ledger", "export", "requeue", "replay"])
def test_a_home_that_is_no_folder_is_named(shell: Shell, command: str) -> None:
    done = shell.run(command, home=shell.folder / "gone")
    assert done.returncode == 78
    assert "--home" in done.stderr
    assert not (shell.folder / "gone").exists()


def test_asking_makes_no_database_in_a_folder_that_is_not_the_services(shell: Shell) -> None:
    shell.run("ledger")
    assert list(shell.home.iterdir()) == []


def test_export_as_nobody_and_requeue_of_an_unknown_id_fail(shell: Shell) -> None:
    shell.box()
    nobody, unknown = shell.run("export", "--as", "nobody"), shell.run("requeue", "17")
    assert (nobody.returncode, unknown.returncode) == (1, 1)
    assert "there is no user 'nobody'" in nobody.stderr
    assert "1 of these ids are not set aside" in unknown.stderr


@pytest.mark.parametrize(
    "toml",
    ['[keywords]\nkontract = ["x"]\n', 'database = "mysql://x"\n', "language = \n"],
    ids=["keyword", "url", "toml"],
)
def test_a_fault_of_crmservice_toml_stops_everything_before_the_wrong_database_is_used(shell: Shell, toml: str) -> None:
    shell.box()
    (shell.home / "crmservice.toml").write_text(toml)
    done = shell.run("run", "--once")
    assert done.returncode == 78
    assert "crmservice.toml" in done.stderr


def test_bad_json_is_named_with_its_line_and_loads_nothing(shell: Shell) -> None:
    (shell.folder / "bad.json").write_text('{"users": [\n  {"login": }]}')
    done = shell.run("load", "bad.json")
    assert (done.returncode, done.stderr) == (
        78,
        "crmservice: bad.json is no JSON: line 2, column 13: Expecting value\n",
    )


def test_a_reader_that_had_enough_is_no_fault(shell: Shell) -> None:
    mails = [shell.mail(name=f"{n}.eml") for n in range(200)]
    command = [sys.executable, "-m", "crmservice", "--home", str(shell.home), "explain", *map(str, mails)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()
    assert (running.returncode, said) == (0, "")


def test_ctrl_c_ends_the_service_without_a_traceback(shell: Shell) -> None:
    shell.box()
    command = [sys.executable, "-m", "crmservice", "--home", str(shell.home), "run"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        _wait_for(shell.home / ".crmservice" / "crm.lock")  # the box is taken: it listens by then
        running.send_signal(signal.SIGTERM)
        _out, said = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "Traceback" not in said


def _wait_for(file: Path) -> None:
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (["ledger", "--home", "x", "--json"], ["--home", "x", "ledger", "--json"]),
        (["ledger", "--home=x", "-v"], ["--home=x", "-v", "ledger"]),
        (["--home", "x", "ledger"], ["--home", "x", "ledger"]),
        (["explain", "--", "-v", "--home"], ["explain", "--", "-v", "--home"]),
        (["ledger", "--home"], ["ledger", "--home"]),
        ([], []),
    ],
)  # fmt: skip
def test_global_options_may_stand_behind_the_command(given: list[str], understood: list[str]) -> None:
    assert globals_first(given) == understood


def test_no_command_has_an_option_of_the_name_of_a_global_one() -> None:
    files = (Path(app.__file__).parent).glob("*.py")
    assert [file.name for file in files if re.search(r'"(-v|--verbose|--home)[",]', file.read_text("utf-8"))] == [
        "app.py"
    ]


def test_a_database_that_goes_away_in_the_midst_of_a_command_is_one_to_try_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from django.db import OperationalError

    from crmservice.store import database

    database.connect(tmp_path)

    def dying() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    assert spoken(dying) == 75
    assert "the database is not available: server closed the connection" in capsys.readouterr().err


def test_a_bug_is_shown_as_one() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spoken(broken)
