"""The service inside a process that somebody else runs (Windows' service manager): all in threads, the log is told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from crmservice.service.manager import Manager
from crmservice.words import Words


def run(home: Path, stop: threading.Event) -> int:
    """Work until ``stop`` is set; returns the exit code. Raises BadConfiguration."""
    manager = Manager(home, _silent, _plain, threads=True)

    def end() -> None:
        stop.wait()
        manager.ask()

    threading.Thread(target=end, daemon=True).start()
    return manager.run()


def _silent(_words: Words, _fault: bool) -> None:
    """There is no terminal: the log has it too."""


def _plain(work: Callable[[], int]) -> int:
    """A fault that ends a child is shown as Python shows it; one of the configuration ends the service."""
    from crmservice.errors import BadConfiguration
    from crmservice.service.manager import BAD_CONFIGURATION

    try:
        return work()
    except BadConfiguration:
        sys.excepthook(*sys.exc_info())
        return BAD_CONFIGURATION
