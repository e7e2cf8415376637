"""``crmservice never-file``: entries of users, and the look back, shown first and done with --yes."""

from __future__ import annotations

import json

from crmservice.testing.builders import COMPANY, eml
from tests.cli.conftest import Shell
from tests.cli.schema import faults, schema

DOCTOR = "lekar@zdravi.example"


def test_it_is_shown_done_and_taken_back(shell: Shell) -> None:
    incoming = shell.box()
    (incoming / "1.eml").write_bytes(eml(sender=DOCTOR, to="novak@firma.cz, svoboda@firma.cz"))
    (incoming / "2.eml").write_bytes(eml(sender=DOCTOR, to="novak@firma.cz", message_id="2@x"))
    (shell.folder / "company.json").write_text(json.dumps(COMPANY), "utf-8")
    assert shell.run("load", "company.json").returncode == 0
    assert shell.run("run", "--once").returncode == 0
    assert shell.run("never-file", "list").stdout == "Nobody is listed.\n"
    added = shell.run("never-file", "add", "novak", DOCTOR)
    assert (added.returncode, added.stdout.splitlines()[0]) == (0, f"novak  {DOCTOR}")
    shown = shell.run("never-file", LANG="cs_CZ.UTF-8")
    assert (shown.returncode, "Nic se nezměnilo" in shown.stdout) == (0, True)
    said = json.loads(shell.run("never-file", "--yes", "--json").stdout)
    assert list(faults(schema("never-file"), said)) == []
    assert (said["done"], said["reduced"], said["taken"], said["left"]) == (True, 1, 1, [])
    assert shell.run("undo", "--change", said["change"]).returncode == 0
    assert shell.run("ledger").returncode == shell.run("verify").returncode == 0
    fresh = shell.mail(eml("jiná", sender=DOCTOR, to="novak@firma.cz", subject="nová", message_id="3@x"))
    explained = json.loads(shell.run("explain", "--json", fresh).stdout)
    assert "listed-by-all" in [rule["code"] for rule in explained["rules"]]
    assert [
        shell.run("never-file", *words).returncode
        for words in (["add"], ["add", "nikdo", "a@b.cz"], ["add", "novak", "x y"], ["remove", "novak", "a@b.cz"])
    ] == [2, 1, 78, 1]
    assert shell.run("never-file", "remove", "novak", DOCTOR).stdout == "Nobody is listed.\n"
