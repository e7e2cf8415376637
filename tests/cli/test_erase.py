"""``crmservice erase``: shown first, done with --yes, stopped by a hold."""

from __future__ import annotations

import json

from crmservice.testing.builders import COMPANY, eml
from tests.cli.conftest import Shell
from tests.cli.schema import faults, schema

EVA = "eva@acme.cz"


def test_it_is_shown_stopped_by_a_hold_and_done(shell: Shell) -> None:
    incoming = shell.box()
    (incoming / "1.eml").write_bytes(eml(sender=EVA))
    (shell.folder / "company.json").write_text(json.dumps(COMPANY), "utf-8")
    assert shell.run("load", "company.json").returncode == 0
    assert shell.run("run", "--once").returncode == 0
    shown = shell.run("erase", EVA, LANG="cs_CZ.UTF-8")
    assert (shown.returncode, "Nic se nezměnilo" in shown.stdout) == (0, True)
    assert "       1  zpráv odstraněno celých" in shown.stdout.splitlines()
    assert shell.run("erase", "hold", "acme.cz", "--reason", "spor").stdout.split()[0] == "acme.cz"
    stopped = shell.run("erase", EVA, "--yes")
    assert (stopped.returncode, "a legal hold on acme.cz" in stopped.stderr) == (1, True)
    assert json.loads(shell.run("erase", "list", "--json").stdout)[0]["reason"] == "spor"
    assert shell.run("erase", "release", "acme.cz").stdout == "No legal hold.\n"
    assert shell.run("erase", "release", "acme.cz").returncode == 1
    said = json.loads(shell.run("erase", EVA, "--yes", "--json").stdout)
    assert list(faults(schema("erase"), said)) == []
    assert (said["done"], said["mails"]["erased"]) == (True, 1)
    assert said["backup_told"] is None
    assert shell.run("ledger").returncode == shell.run("verify").returncode == 0
    assert [shell.run("erase", *words).returncode for words in (["hold"], ["list", "x"], [EVA, EVA], ["eva"])] == [
        2,
        2,
        2,
        1,
    ]


def test_the_backup_folder_is_told_at_once_or_it_is_said_that_it_is_not(shell: Shell) -> None:
    (shell.box() / "1.eml").write_bytes(eml(sender=EVA))
    folder = shell.folder / "backup"
    (shell.home / "crmservice.toml").write_text(f'backup_to = "{folder}"\n')
    assert shell.run("run", "--once").returncode == 0
    assert "is away" in shell.run("erase", "hold", "beta.example").stderr
    assert shell.run("backup").returncode == 0
    assert shell.run("erase", "hold", "gama.example").stderr == ""
    assert "gama.example" in (folder / "holds").read_text()
    away = folder.rename(shell.folder / "away")
    assert "Složka záloh" in shell.run("erase", EVA, "--yes", LANG="cs_CZ.UTF-8").stdout
    away.rename(folder)
    said = json.loads(shell.run("erase", EVA, "--yes", "--json").stdout)
    assert (said["backup_told"], len((folder / "erasures").read_text().splitlines()) > 2) == (True, True)
