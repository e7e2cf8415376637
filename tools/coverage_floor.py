#!/usr/bin/env python3
"""Hold a coverage report (``coverage json``) against the project's floors: coverage_floor.py REPORT.json.

Lines and branches have floors of their own, which ``coverage report --fail-under`` cannot tell apart; and where a
missed branch loses a mail or shows it to the wrong person, every branch must have been taken.
"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

LINES_FLOOR = 90.0
BRANCHES_FLOOR = 85.0
# The store, capture (a mail is durable before it leaves the server) and visibility.
EVERY_BRANCH = ("src/crmservice/store/*.py", "src/crmservice/service/capture*.py")

Report = dict[str, Any]


def main() -> int:
    """Print each floor that is missed; exit 1 if there is one."""
    report: Report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    faults = missed_floors(report["totals"]) + missed_branches(report["files"])
    print(*faults, sep="\n")
    totals = report["totals"]
    print(f"coverage: lines {lines_percent(totals):.1f} %, branches {branches_percent(totals):.1f} %")
    return 1 if faults else 0


def lines_percent(summary: Report) -> float:
    """Statements that were run, of all, in percent."""
    return _percent(summary["covered_lines"], summary["num_statements"])


def branches_percent(summary: Report) -> float:
    """Branches that were taken, of all, in percent."""
    return _percent(summary["covered_branches"], summary["num_branches"])


def missed_floors(totals: Report) -> list[str]:
    """A sentence for each floor that the whole project misses."""
    measured = (("lines", lines_percent(totals), LINES_FLOOR), ("branches", branches_percent(totals), BRANCHES_FLOOR))
    return [f"{what}: {got:.1f} % covered, {floor:.0f} % wanted" for what, got, floor in measured if got < floor]


def missed_branches(files: Report) -> list[str]:
    """A sentence for each file of EVERY_BRANCH with branches nobody took (as ``from -> to`` lines)."""
    return [
        f"{name}: every branch must be tested; not taken: {_arrows(file['missing_branches'])}"
        for name, file in sorted(files.items())
        if any(fnmatch(name, pattern) for pattern in EVERY_BRANCH) and file["missing_branches"]
    ]


def _arrows(branches: list[list[int]]) -> str:
    return ", ".join(f"{start} -> {'exit' if end < 0 else end}" for start, end in branches)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


if __name__ == "__main__":
    sys.exit(main())
