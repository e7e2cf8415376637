"""The Windows service as far as it is not Windows."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from crmservice.config import Secret
from crmservice.errors import BadConfiguration
from crmservice.service import windows
from crmservice.service.windows import NoWindows, installation

HOME = Path("C:/CRM")


@pytest.mark.parametrize(
    ("given", "account"),
    [
        ("LocalSystem", "LocalSystem"),
        ("local system", "LocalSystem"),
        (r"NT AUTHORITY\NetworkService", r"NT AUTHORITY\NetworkService"),
        ("LocalService", r"NT AUTHORITY\LocalService"),
    ],
)
def test_a_built_in_account_has_windows_own_spelling_and_no_password(given: str, account: str) -> None:
    assert installation(HOME, "auto", given, None).account == account
    with pytest.raises(BadConfiguration, match="no password"):
        installation(HOME, "auto", given, Secret("x"))


@pytest.mark.parametrize(
    ("given", "account"), [("jan", r".\jan"), (r"FIRMA\jan", r"FIRMA\jan"), ("jan@firma.cz", "jan@firma.cz")]
)
def test_a_named_account_needs_its_password(given: str, account: str) -> None:
    assert installation(HOME, "delayed", given, Secret("x")).account == account
    with pytest.raises(BadConfiguration, match="needs its password"):
        installation(HOME, "delayed", given, None)


def test_another_start_up_mode_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="auto, delayed, manual or disabled"):
        installation(HOME, "sometimes", "LocalSystem", None)


def test_the_password_is_never_shown() -> None:
    assert "S3CR3T" not in repr(installation(HOME, "auto", "jan", Secret("S3CR3T")))


@pytest.mark.skipif(sys.platform == "win32", reason="this is Windows")
def test_elsewhere_there_is_no_windows_to_call() -> None:
    with pytest.raises(NoWindows):
        windows.calls()


def test_the_calls_into_windows_keep_the_protocol() -> None:
    """Read as text: pywin32 is not to be had here."""
    source = ast.parse(Path(windows.__file__).with_name("win32.py").read_text(encoding="utf-8"))
    (calls,) = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "Calls"]
    has = {
        node.name: [argument.arg for argument in node.args.args]
        for node in calls.body
        if isinstance(node, ast.FunctionDef)
    }
    assert has == {
        "install": ["self", "wanted"],
        "remove": ["self"],
        "start": ["self"],
        "stop": ["self"],
        "status": ["self"],
    }
