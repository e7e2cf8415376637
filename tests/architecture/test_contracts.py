"""Each import contract of pyproject.toml holds, and has been seen to fail on a planted breach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "crmservice"
# Folders of plug-ins that must not know each other.
PLUG_INS = ("rules", "sources", "calendars", "web")

TYPE_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {}\n"

# contract id, file (made or appended to), planted line
BREACHES = [
    pytest.param("floors", "mail/planted.py", "import crmservice.crm.records", id="mail-looks-up-to-crm"),
    pytest.param("floors", "mail/planted.py", "import crmservice.config", id="mail-knows-config"),
    pytest.param("floors", "config/planted.py", "import crmservice.mail.message", id="config-knows-mail"),
    pytest.param("floors", "crm/planted.py", "import crmservice.pipeline.rule", id="crm-looks-up-to-pipeline"),
    pytest.param("floors", "pipeline/planted.py", "import crmservice.rules", id="pipeline-knows-the-chain"),
    pytest.param("floors", "store/planted.py", "import crmservice.service", id="store-looks-up-to-service"),
    pytest.param("floors", "sources/planted.py", "import crmservice.cli", id="sources-look-up-to-cli"),
    pytest.param("floors", "service/planted.py", "import crmservice.testing", id="service-uses-fakes"),
    pytest.param("floors", "mail/planted.py", TYPE_ONLY.format("crmservice.cli"), id="type-only-counts"),
    pytest.param("floors", "microsoft/planted.py", "import crmservice.sources", id="microsoft-looks-up-to-sources"),
    pytest.param("floors", "pipeline/planted.py", "import crmservice.microsoft", id="pipeline-asks-microsoft"),
    pytest.param("floors", "bootstrap.py", "import crmservice.config", id="bootstrap-looks-up"),
    pytest.param("floors", "errors.py", "import crmservice.bootstrap", id="errors-look-up"),
    pytest.param("floors", "settings.py", "import crmservice.store", id="settings-look-up"),
    pytest.param("floors", "unplaced/__init__.py", "", id="a-new-package-nobody-placed"),
    pytest.param("floors", "unplaced.py", "", id="a-new-module-nobody-placed"),
    pytest.param("pure", "mail/planted.py", "import socket", id="mail-opens-sockets"),
    pytest.param("pure", "mail/planted.py", "import crmservice.bootstrap", id="mail-reaches-sqlite-through-ours"),
    pytest.param("pure", "crm/planted.py", "import django.db.models", id="crm-knows-django"),
    pytest.param("pure", "crm/planted.py", TYPE_ONLY.format("django.http"), id="crm-names-a-django-type"),
    pytest.param("pure", "pipeline/planted.py", "import logging.handlers", id="pipeline-logs"),
    pytest.param("pure", "rules/planted.py", "import sqlite3", id="rules-ask-a-database"),
    pytest.param("pure", "rules/planted.py", "def late():\n    import httpx", id="rules-ask-the-network-later"),
    pytest.param("pure", "config/planted.py", "import rich.console", id="config-prints"),
    pytest.param("models", "cli/planted.py", "import crmservice.store.models", id="cli-takes-rows"),
    pytest.param("models", "testing/planted.py", TYPE_ONLY.format("crmservice.store.models"), id="testing-names-rows"),
    pytest.param("wiring", "store/planted.py", "import crmservice.service.wiring", id="store-chooses-adapters"),
]


def contracts(pyproject: Path = ROOT / "pyproject.toml") -> dict[str, dict[str, Any]]:
    """The contracts by id."""
    tool = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]
    return {contract["id"]: contract for contract in tool["importlinter"]["contracts"]}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, to plant faults in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / "src" / "crmservice"
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__", "*.po", "*.mo", "static"))
    return target


def lint(copy: Path, contract: str) -> str:
    """What lint-imports says of one contract."""
    root = copy.parents[1]
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", "--contract", contract],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"exit {done.returncode}\n{done.stdout}{done.stderr}"


def plant(file: Path, line: str) -> None:
    """Append a line to a file, or make the file with it."""
    file.parent.mkdir(exist_ok=True)
    old = file.read_text(encoding="utf-8") if file.exists() else '"""Planted."""\n'
    file.write_text(f"{old}\n{line}\n", encoding="utf-8")


@pytest.mark.parametrize(("contract", "file", "line"), BREACHES)
def test_a_planted_breach_is_seen(copy: Path, contract: str, file: str, line: str) -> None:
    plant(copy / file, line)
    said = lint(copy, contract)
    assert said.startswith("exit 1\n"), said
    assert f"{contracts()[contract]['name']} BROKEN" in said


@pytest.mark.parametrize("folder", PLUG_INS)
def test_plug_ins_that_know_each_other_are_seen(copy: Path, folder: str) -> None:
    if not (copy / folder).exists():
        pytest.skip(f"there is no crmservice.{folder} yet")
    plant(copy / folder / "planted_one.py", f"import crmservice.{folder}.planted_other")
    plant(copy / folder / "planted_other.py", "")
    said = lint(copy, folder)
    assert said.startswith("exit 1\n"), said
    assert f"{contracts()[folder]['name']} BROKEN" in said


def test_all_contracts_hold_as_the_code_stands(copy: Path) -> None:
    for contract in contracts():
        said = lint(copy, contract)
        assert said.startswith("exit 0\n"), said


def test_each_contract_has_been_seen_to_fail() -> None:
    planted = {str(breach.values[0]) for breach in BREACHES} | set(PLUG_INS)
    assert set(contracts()) <= planted


def test_each_folder_of_plug_ins_has_its_contract() -> None:
    missing = [folder for folder in PLUG_INS if (PACKAGE / folder).exists() and folder not in contracts()]
    assert missing == []


def test_a_type_only_import_is_an_import() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tool["importlinter"]["exclude_type_checking_imports"] is False
