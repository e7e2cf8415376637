"""The command line as its user sees it: a process of its own with a fresh home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crmservice.testing.builders import eml
from tests.support.home import Home

Done = subprocess.CompletedProcess[str]


class Shell:
    """A person at a terminal in a folder with one technology box."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()

    def box(self, name: str = "crm", **keys: str | list[str]) -> Path:
        """A technology box that imports from a folder, which is made."""
        incoming = self.folder / f"in-{name}"
        incoming.mkdir(exist_ok=True)
        Home(self.home).box({"pop3Email": f"{name}@firma.cz", "emlDir": str(incoming), **keys}, f"{name}.xml")
        return incoming

    def mail(self, raw: bytes | None = None, name: str = "1.eml") -> Path:
        """A mail as a file."""
        file = self.folder / name
        file.write_bytes(raw if raw is not None else eml())
        return file

    def run(self, *arguments: str | Path, home: Path | None = None, **environ: str) -> Done:
        """Run a command; its exit code and what it said."""
        command = [sys.executable, "-m", "crmservice", "--home", str(home or self.home), *map(str, arguments)]
        clean = {name: value for name, value in os.environ.items() if name not in {"LANG", "LC_ALL", "LANGUAGE"}}
        return subprocess.run(
            command, cwd=self.folder, env={**clean, **environ}, capture_output=True, text=True, check=False
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
