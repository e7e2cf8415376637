"""``crmservice audit``: what was done is listed, and a touched list is found out."""

from __future__ import annotations

import json
import sqlite3

from tests.cli.conftest import Shell
from tests.cli.schema import faults, schema


def test_what_was_done_is_listed_and_a_removed_entry_is_named(shell: Shell) -> None:
    shell.box()
    shell.run("requeue", "--all")
    shell.run("requeue", "7")
    lines = [json.loads(line) for line in shell.run("audit", "list", "--json").stdout.splitlines()]
    assert [fault for line in lines for fault in faults(schema("audit"), line)] == []
    assert [(line["id"], line["who"], line["action"], line["object"]) for line in lines] == [
        (2, "command line", "requeue", "7"),
        (1, "command line", "requeue", "all"),
    ]
    whole = shell.run("audit", "verify")
    assert (whole.returncode, whole.stdout) == (0, "The audit log is whole.\n")
    with sqlite3.connect(shell.home / "crmservice.db") as database:
        database.execute("DELETE FROM crm_audit WHERE id = 2")
    broken = shell.run("audit", "verify", LANG="cs_CZ.UTF-8")
    assert (broken.returncode, broken.stdout) == (1, "záznam 2: tento záznam chybí\n")
