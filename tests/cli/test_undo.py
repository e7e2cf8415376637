"""undo, simulate, replay --apply and requeue --after-all as their user sees them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from crmservice.cli.app import run
from crmservice.cli.words import use_language
from crmservice.testing.builders import COMPANY, calendar, eml
from tests.cli.conftest import Done, Shell
from tests.cli.schema import faults, schema

MAILS = {
    "1.eml": eml("Zakázka: 123", message_id="1@x"),
    "2.eml": eml("x", sender="novak@firma.cz", to="svoboda@firma.cz", subject="New task: první", message_id="2@x"),
    "3.eml": eml("Task: 78", sender="sef@firma.cz", to="jana@acme.cz", subject="K úkolu", message_id="3@x"),
    "4.eml": eml("porada", parts=[calendar()], subject="Výpadek", message_id="4@x"),
    "5.eml": eml("x", sender="jana@acme.cz", to="jana@acme.cz", subject="sobě", message_id="5@x"),
    "6.eml": eml("x", sender="bob@beta.example", to="jana@acme.cz, crm@firma.cz", subject="cizí", message_id="6@x"),
}


class Company:
    """A home that has filed MAILS; their ids by their subjects. Commands run in this process: they start at once."""

    def __init__(self, shell: Shell, ids: dict[str, str]) -> None:
        self.shell, self.ids = shell, ids

    @classmethod
    def filed(cls, shell: Shell) -> Company:
        """File MAILS."""
        incoming = shell.box(ignoreSubject=["výpadek"])
        for name, raw in MAILS.items():
            (incoming / name).write_bytes(raw)
        (shell.folder / "company.json").write_text(json.dumps(COMPANY), "utf-8")
        assert shell.run("load", "company.json").returncode == 0
        assert shell.run("run", "--once").returncode == 0
        rows = [line.split("  ") for line in shell.run("requeue", "--after-all").stdout.splitlines()]
        caused = json.loads(shell.run("undo", "--json").stdout)["messages"]
        return cls(shell, {row[4]: row[0] for row in rows} | {row["subject"]: row["id"] for row in caused})

    def run(self, *arguments: str, language: str = "en") -> Done:
        said, complained = io.StringIO(), io.StringIO()
        command = ["--home", str(self.shell.home), *arguments]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CRMSERVICE_LANGUAGE", language)
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
                code = run(command)
        return Done(command, code, said.getvalue(), complained.getvalue())

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self.run(*arguments, "--json")
        assert (done.returncode, done.stderr) == (code, "")
        return json.loads(done.stdout)

    def export(self) -> dict[str, Any]:
        tables: dict[str, Any] = json.loads(self.run("export").stdout)
        return tables


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company.filed(Shell(tmp_path_factory.mktemp("filed")))


@pytest.fixture
def company(filed: Company, shell: Shell) -> Iterator[Company]:
    shutil.copytree(filed.shell.home, shell.home, dirs_exist_ok=True)
    yield Company(shell, filed.ids)
    connections.close_all()
    use_language({})


def test_undo_and_its_undo_print_what_their_schema_says(company: Company) -> None:
    before = company.export()
    done = company.json("undo", company.ids["Dotaz"])
    assert list(faults(schema("undo"), done)) == []
    (message,) = done["messages"]
    assert (message["log"], message["left"]) == (["UNDONE", "DELETED"], [])
    account = company.json("ledger")
    assert (account["boxes"]["crm"]["arrived"], account["differences"]) == (len(MAILS), [])
    again = company.json("undo", "--last")
    assert list(faults(schema("undo"), again)) == []
    assert (again["undoes"], [part["put_back"] for part in again["messages"][0]["taken"]]) == (
        done["change"],
        [True] * 4,
    )
    assert company.export() == before
    listed = company.json("undo")
    assert list(faults(schema("undo-list"), listed)) == []
    assert [change["taken_back"] for change in listed["changes"]] == [False, True]


def test_what_has_to_stay_is_said_and_ends_with_1(company: Company) -> None:
    done = company.json("undo", company.ids["New task: první"], code=1)
    assert list(faults(schema("undo"), done)) == []
    ((left,),) = [message["left"] for message in done["messages"]]
    assert (left["what"], left["message"]) == ("task 78", company.ids["K úkolu"])
    said = company.run("undo", company.ids["New task: první"], language="cs")
    assert said.returncode == 1
    assert f"ponecháno: úkol 78 (patří k tomu zpráva {company.ids['K úkolu']} (K úkolu))" in said.stdout


def test_people_read_what_was_taken_back_and_how_to_undo_that(company: Company) -> None:
    key = company.ids["Dotaz"]
    trial = company.run("undo", key, "--dry-run").stdout.splitlines()
    assert trial[-1] == "Nothing was changed."
    done = company.run("undo", key).stdout.splitlines()
    assert done[:-1] == trial[:-1] == [
        f"{key}  Dotaz  (UNDONE, DELETED)",
        "    taken back: filing of its thread, place in its thread, activity of novak",
    ]  # fmt: skip
    assert company.run(*done[-1].partition("crmservice ")[2].split()).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["undo", "404"], 1, "neither a message nor an activity"),
        (["undo", "--change", "404"], 1, "there is no change 404"),
        (["undo", "--last"], 1, "there is no change"),
        (["undo", "1", "--last"], 2, "one of them"),
        (["requeue", "--responsible", "novak"], 2, "goes with --after-all"),
        (["requeue", "--after-all", "--all"], 2, "takes ids"),
        (["simulate"], 2, "rules: is missing"),
        (["simulate", "--rules", "wild"], 2, "wild is not one of"),
    ],
)
def test_mistakes_are_named(company: Company, arguments: list[str], code: int, says: str) -> None:
    done = company.run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_a_home_without_mail_says_that_there_is_nothing(shell: Shell) -> None:
    shell.box(rules="safe")
    empty = Company(shell, {})
    assert empty.run("undo").stdout == "There is nothing that could be taken back.\n"
    assert empty.run("requeue", "--after-all").stdout == "Nothing was left out.\n"
    assert empty.run("simulate", "--rules", "safe").stdout == "Every box has rules=safe already.\n"
    connections.close_all()


def test_what_was_left_out_is_processed_after_all(company: Company) -> None:
    done = company.shell.run("requeue", company.ids["Výpadek"], "--after-all")
    assert done.returncode == 0
    assert f"{company.ids['Výpadek']}  Výpadek  AFTER ALL, PROCESSED" in done.stdout
    assert "AFTER ALL, PROCESSED" in (company.shell.home / "CRMService.log").read_text("utf-8")
    assert len(company.export()["invitations"]) == 1
    assert company.json("undo", "--last")["messages"][0]["log"] == ["IGNORED SUBJECT", "DELETED"]
    assert company.export()["invitations"] == []


def test_where_nobody_is_responsible_somebody_is_asked_for(company: Company) -> None:
    strange = company.ids["cizí"]
    done = company.shell.run("requeue", strange, "--after-all")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--responsible LOGIN" in done.stderr
    nobody = company.shell.run("requeue", strange, "--after-all", "--responsible", "nobody")
    assert (nobody.returncode, nobody.stderr) == (1, "crmservice: there is no user 'nobody'\n")
    before = len(company.export()["activities"])
    assert company.shell.run("requeue", strange, "--after-all", "--responsible", "dvorak").returncode == 0
    assert [row["responsible"] for row in company.export()["activities"]][before:] == ["dvorak"]


def test_an_applied_replay_is_what_its_schema_says_and_can_be_undone(company: Company) -> None:
    before = company.export()
    company.shell.box(ignoreSubject=["dotaz"])
    said = company.run("replay", "--apply", "--json").stdout.splitlines()
    lines = [json.loads(line) for line in said]
    assert [fault for line in lines for fault in faults(schema("replay"), line)] == []
    assert {line["subject"]: (line["applied"], line["now"]["log"]) for line in lines} == {
        "Dotaz": (True, ["IGNORED SUBJECT", "DELETED"]), "Výpadek": (True, ["PROCESSED"]),
    }  # fmt: skip
    assert company.run("replay", "--json").stdout == ""
    (change,) = {line["change"] for line in lines}
    assert company.run("undo", "--change", change).returncode == 0
    assert company.export() == before


def test_simulate_is_what_its_schema_says_and_changes_nothing(company: Company) -> None:
    before = company.export()
    found = company.json("simulate", "--rules", "safe")
    assert list(faults(schema("simulate"), found)) == []
    (change,) = found["changes"]
    assert (change["was"]["log"], change["would"]["log"]) == (["DELETED"], ["REROUTED", "DELETED"])
    assert (found["messages"], found["summary"][0]["count"]) == (len(MAILS), 1)
    said = company.run("simulate", "--rules", "safe", language="cs").stdout
    assert "jinak by dopadlo 1 z 6 zpráv" in said
    assert company.export() == before


def test_only_mail_of_the_last_days_is_simulated(company: Company) -> None:
    for path in (company.shell.home / "POP3Downloads").rglob("*.eml"):
        path.unlink()
    assert company.json("simulate", "--rules", "safe")["messages"] == 0


def test_a_terminal_is_asked_first(company: Company) -> None:
    pty = pytest.importorskip("pty")
    key, answers = company.ids["Dotaz"], {"n\n": 1, "y\n": 0}
    for answer, code in answers.items():
        assert _at_a_terminal(pty, company.shell, answer, "undo", key) == code
    assert company.json("undo", "--last")["messages"][0]["log"] == ["PROCESSED"]


def _at_a_terminal(pty: Any, shell: Shell, answer: str, *arguments: str) -> int:
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "crmservice", "--home", str(shell.home), *arguments]
    with subprocess.Popen(command, cwd=shell.folder, stdin=child, stdout=subprocess.DEVNULL) as running:
        os.close(child)
        os.write(parent, answer.encode())
        code = running.wait()
    os.close(parent)
    return code
