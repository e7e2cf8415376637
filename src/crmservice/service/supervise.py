"""A worker in a child process: a mail that kills it must not stop the ninety-nine others (SPEC chapter 3).

The parent does nothing but wait. When the child dies without a word (a crash, a limit of CPU or memory) the
parent starts the next one, which knows that the death was the mail's own fault; a child never outlives its
parent. Where processes can't fork (Windows) the work runs here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

MOST_DEATHS = 1000
"""A cycle that dies more often than this is broken itself, not its mail."""

_PR_SET_PDEATHSIG = 1

Work = Callable[[bool], int]
"""Does the work; told whether a worker died on it before; returns an exit code below 128."""


def supervised(work: Work) -> int:
    """Do the work in a child until it ends by itself; returns its exit code."""
    if not hasattr(os, "fork"):
        return work(False)
    died = False
    for _ in range(MOST_DEATHS):
        status, finished = _run_child(work, died)
        code = os.waitstatus_to_exitcode(status)
        if finished or -code in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            return code if code >= 0 else 128 - code
        # No mail kills with SIGKILL: that is an operator, or the end of the whole machine's memory.
        died = -code != signal.SIGKILL
    return 1


def _run_child(work: Work, died: bool) -> tuple[int, bool]:
    """The child's status, and whether it came to the end of its work: an exit in its midst is a death too."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    ended, end = os.pipe()
    with contextlib.ExitStack() as handlers:
        with _untold() as mask:
            child = os.fork()
            if child == 0:
                _be_child(work, died, parent, end, mask)
            handlers.enter_context(_passed_on(child))
        os.close(end)
        with os.fdopen(ended, "rb") as word:
            return os.waitpid(child, 0)[1], word.read() != b""


@contextlib.contextmanager
def _untold() -> Iterator[set[int]]:
    """Hold back SIGINT and SIGTERM, giving the mask of before: told to end too early, a parent leaves its worker."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield {int(number) for number in mask}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _be_child(work: Work, died: bool, parent: int, end: int, mask: set[int]) -> None:
    """Do the work and leave without returning to the parent's code; a byte to ``end`` says that it is done."""
    code = 1
    try:
        _die_with_parent(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = work(died)
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(end, b".")
    except BaseException:  # noqa: BLE001 (a child must never run on into its parent's code)
        sys.excepthook(*sys.exc_info())
        os.write(end, b".")
    finally:
        os._exit(code)


@contextlib.contextmanager
def _passed_on(child: int) -> Iterator[None]:
    """SIGTERM to the parent is the child's to hear. A terminal's SIGINT it hears itself, and ends its work."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    def leave_it(_number: int, _frame: FrameType | None) -> None:
        pass

    before = [
        (number, signal.signal(number, heard))
        for number, heard in ((signal.SIGTERM, pass_on), (signal.SIGINT, leave_it))
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process with its parent: an orphan would hold the box's lease."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
