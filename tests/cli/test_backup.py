"""``crmservice backup``: what it prints for people and for machines."""

from __future__ import annotations

import json

from crmservice.testing.builders import eml
from tests.cli.conftest import Shell
from tests.cli.schema import faults, schema


def test_a_backup_is_made_where_it_is_told_or_where_the_settings_say(shell: Shell) -> None:
    shell.box()
    assert shell.run("run", "--once").returncode == 0
    nowhere = shell.run("backup", LANG="cs_CZ.UTF-8")
    assert (nowhere.returncode, nowhere.stderr) == (
        78,
        "crmservice: uveďte složku, kam zálohovat, nebo nastavte backup_to v crmservice.toml\n",
    )
    (shell.home / "crmservice.toml").write_text(f'backup_to = "{shell.folder / "kept"}"\nbackup_keep = 1\n')
    said = json.loads(shell.run("backup", "--json").stdout)
    assert list(faults(schema("backup"), said)) == []
    again = shell.run("backup")
    assert (again.returncode, "Backup made: " in again.stdout) == (0, True)
    assert [line["action"] for line in map(json.loads, shell.run("audit", "--json").stdout.splitlines())] == [
        "backup",
        "backup",
    ]


def test_what_was_lost_is_restored_and_verified(shell: Shell) -> None:
    incoming = shell.box()
    (incoming / "1.eml").write_bytes(eml())
    assert shell.run("run", "--once").returncode == 0
    assert shell.run("backup", "kept").returncode == 0
    before = shell.run("export").stdout
    said = json.loads(shell.run("restore", "kept", "--to", "new", "--json").stdout)
    assert list(faults(schema("restore"), said)) == []
    assert (said["mails"], said["differences"]) == (1, [])
    assert shell.run("export", home=shell.folder / "new").stdout == before
    assert shell.run("restore", "kept", "--to", "new").returncode == 78
    again = shell.run("restore", "kept", "--to", "new", "--force", LANG="cs_CZ.UTF-8")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "Všechno je, jak bylo uloženo.")
    next((shell.folder / "new").rglob("*.eml")).unlink()
    next((shell.folder / "kept" / "mail").rglob("*.eml")).unlink()
    lost = shell.run("restore", "kept", "--to", "new", "--force")
    assert (lost.returncode, "DIFFERENCE" in lost.stdout) == (1, True)
