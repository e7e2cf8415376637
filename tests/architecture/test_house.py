"""What the Makefile and CI promise: the same checks everywhere, and nothing that needs a person."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [ROOT / ".ci" / "run", *sorted((ROOT / "tools").glob("*.sh"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_stops_at_its_first_fault(script: Path) -> None:
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_check_leaves_no_check_out() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (rule,) = [line for line in makefile.splitlines() if line.startswith("check: ")]
    checks = {line.split(":")[0] for line in makefile.splitlines() if line.startswith("check-")}
    assert checks == set(rule.removeprefix("check: ").split("##")[0].split())


def test_ci_runs_what_developers_run() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake check\n" in steps
    assert "\nmake wheel\n" in steps


def test_an_older_python_is_refused_with_advice(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = subprocess.run(
        [ROOT / "tools" / "make_venv.sh", old, tmp_path / "venv", "lock.txt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is not Python 3.11 or later" in done.stderr
    assert not (tmp_path / "venv").exists()
