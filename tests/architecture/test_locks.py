"""The locks hold every dependency, with hashes, and say nothing of where packages come from."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("runtime", "dev")
WINDOWS = ("pywintypes", "servicemanager", "win32service", "win32serviceutil")
"""What pywin32 brings, where it can be installed."""


def name_of(requirement: str) -> str:
    """A requirement's distribution, as PEP 503 normalises it."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pinned(name: str) -> dict[str, str]:
    """What a lock pins: distribution -> version."""
    return {
        name_of(found): version for found, version in re.findall(r"^([\w.\[\]-]+)==(\S+)", lock(name), re.MULTILINE)
    }


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_locked(name: str) -> None:
    assert {name_of(one) for one in PROJECT["project"]["dependencies"]} <= set(pinned(name))


def test_extras_and_tools_are_locked_for_development() -> None:
    extras = [one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra]
    wanted = {name_of(one) for one in [*extras, *PROJECT["dependency-groups"]["dev"]]}
    assert wanted <= set(pinned("dev"))


def test_what_is_tested_is_what_runs() -> None:
    development = pinned("dev")
    assert {name: development.get(name) for name in pinned("runtime")} == pinned("runtime")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_package_index(name: str) -> None:
    assert re.search(r"https?:|--(extra-)?index|--find-links|file:", lock(name)) is None


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    entries = re.split(r"^(?=[\w.\[\]-]+==)", lock(name), flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_no_extra_is_needed_to_run() -> None:
    assert {"psycopg", "openpyxl", "pytest"}.isdisjoint(pinned("runtime"))


def outside_imports() -> dict[str, str]:
    """Each outside package that the source imports, anywhere in a file -> a file that does."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.split(".")[0]: str(file.relative_to(ROOT)) for name in names}
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names | {"crmservice"}}


def test_every_package_that_is_imported_is_declared() -> None:
    declared = {name_of(one) for one in PROJECT["project"]["dependencies"]}
    declared |= {name_of(one) for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra}
    brought_by = {name: ["pywin32"] for name in WINDOWS} | dict(packages_distributions())
    undeclared = {
        name: file
        for name, file in outside_imports().items()
        if declared.isdisjoint(name_of(one) for one in brought_by.get(name, [name]))
    }
    assert undeclared == {}
