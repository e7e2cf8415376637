"""Cases of the commands ``explain``, ``ledger``, ``replay`` and ``import``, from outside, by processes of their own.

The form is that of ``runner.py``; then each ``[[command]]`` runs in turn and its ``line`` may name ``{mails}`` (the folder
with the case's mails as 1.eml, 2.eml …) and ``{records}`` (COMPANY and ``[crm]`` as JSON). ``prints`` holds the JSON objects
that it prints, in order and by the fields that matter; ``exit`` is its exit code (0). Before it,
``settings`` changes keys of the box, and ``loses`` removes the backup of these messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crmservice.testing.builders import company
from tests.cli.conftest import Shell
from tests.conformance import runner

CASES = [
    runner.read(path) | {"name": path.stem} for path in sorted((Path(__file__).parent / "commands").glob("*.toml"))
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_a_case_of_a_command_holds(case: dict[str, Any], tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    mails, records = tmp_path / "mails", tmp_path / "records.json"
    mails.mkdir()
    for number, mail in enumerate(case["mail"], 1):
        (mails / f"{number}.eml").write_bytes(runner.as_bytes(mail))
    records.write_text(json.dumps(company(**case.get("crm", {}))), "utf-8")
    settings: dict[str, Any] = case.get("settings", {})
    shell.box(**settings)
    for command in case["command"]:
        settings = settings | command.get("settings", {})
        shell.box(**settings)
        for number in command.get("loses", []):
            (shell.home / messages(shell)[number - 1]["backup"]).unlink()
        done = shell.run(*command["line"].format(mails=mails, records=records).split())
        assert done.returncode == command.get("exit", 0), f"{command['line']}: {done.stderr}"
        if "prints" in command:
            printed = list(objects(done.stdout))
            assert len(printed) == len(command["prints"]), f"{command['line']}: {printed}"
            for want, have in zip(command["prints"], printed, strict=True):
                assert runner.holds(want, have), f"{command['line']}: expected {want}, found {have}"
    if "files" in case:
        assert sorted(file.name for file in mails.iterdir()) == case["files"]


def objects(text: str) -> Iterator[Any]:
    """The JSON values of a text, one after another, on a line each or well set."""
    rest = text.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        yield value
        rest = rest[end:].strip()


def messages(shell: Shell) -> list[dict[str, Any]]:
    """The messages of the home, in order of arrival."""
    found: list[dict[str, Any]] = json.loads(shell.run("export").stdout)["messages"]
    return found


@pytest.mark.parametrize("command", ["explain", "ledger", "replay", "import"])
def test_each_of_these_commands_has_a_case(command: str) -> None:
    assert any(step["line"].startswith(command) for case in CASES for step in case["command"])
