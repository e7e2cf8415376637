"""A mailbox and homes to fetch from it, workers that can be killed by the thousand, and the figures at the end."""

from __future__ import annotations

import pytest

from tests.faults.fixtures import figures, on_dovecot, on_folder, on_stub, server, template, traces, warm

__all__ = ["figures", "on_dovecot", "on_folder", "on_stub", "server", "template", "traces", "warm"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was tried, for docs/reliability.md."""
    lines = sorted(
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "figures" and report.when == "call"
    )
    if lines:
        terminalreporter.section("faults: what was tried")
        for line in lines:
            terminalreporter.write_line(line)
