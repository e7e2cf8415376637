"""How long work shows itself: a bar with rate and remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from crmservice.cli.speaking import complain
from crmservice.cli.words import _, told
from crmservice.words import Words

PLAIN_EVERY_S = 5.0


def say(verbose: bool) -> Callable[[Words, bool], None]:
    """A function that tells an operator something: faults always, the rest with ``--verbose``."""

    def tell(words: Words, fault: bool) -> None:
        if fault or verbose:
            complain(told(words))

    return tell


class Progress:
    """Shows how far long work has come. Use as a context; call with (done, total)."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._began = self._last = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            rate = TextColumn("{task.fields[rate]:.0f}/s")
            self._bar = Bar(
                BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(), console=Console(stderr=True)
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=None, rate=0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done."""
        now = time.monotonic()
        rate = done / max(now - self._began, 1e-6)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, rate=rate)
        elif now - self._last >= PLAIN_EVERY_S or done == total:
            self._last = now
            left = (total - done) / rate if rate else 0
            text = _("{done} of {total} messages, {rate:.0f} a second, about {left:.0f} s left")
            print(text.format(done=done, total=total, rate=rate, left=left), file=sys.stderr)
