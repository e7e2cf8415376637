"""A worker in a child process: started, told to end, and what its end says (SPEC chapter 3).

A child that dies without a word (a crash, a limit of CPU or memory) died of the mail at hand; one that SIGKILL
ended did not: no mail does that. A child never outlives its parent. Where processes can't fork (Windows) the
same work runs in a thread, which no mail can kill alone.
"""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from crmservice.service.stop import Stop
from crmservice.service.wake import Wake

_PR_SET_PDEATHSIG = 1
_WENT_ON, _FINISHED = b"+", b"."


class Before(enum.Enum):
    """How the worker before this one ended."""

    NOTHING = "nothing"
    """There was none, or it ended by itself."""
    DIED = "died"
    """It died by itself: the mail at hand is to blame."""
    KILLED = "killed"
    """Somebody outside killed it: the mail at hand is not to blame."""


@dataclass
class Life:
    """What a worker is told at its birth, and by what it says that it gets on."""

    before: Before = Before.NOTHING
    stop: Stop = field(default_factory=Stop)
    _say: Callable[[bytes], object] | None = None

    def went_on(self) -> None:
        """Say that a piece of work is behind this worker: its death is no repetition of the last one."""
        if self._say is not None:
            say, self._say = self._say, None
            say(_WENT_ON)


Work = Callable[[Life], int]
"""Does the work; returns an exit code below 128."""


@dataclass(frozen=True, slots=True)
class End:
    """How a child ended. ``code``: its exit code, or minus the signal. ``finished``: it came to the end of its work."""

    code: int
    finished: bool
    went_on: bool

    @property
    def told(self) -> bool:
        """It heard a signal that tells to end."""
        return -self.code in _TELLING

    @property
    def killed(self) -> bool:
        """SIGKILL: an operator, or the end of the machine's memory."""
        return -self.code == _KILL


_TELLING = {number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))}
_KILL = getattr(signal, "SIGKILL", None)


class Child(Protocol):
    """A worker at work, seen by its parent."""

    def ended(self) -> End | None:
        """How it ended; None while it works. Does not wait."""

    def tell(self) -> None:
        """Ask it to end when the message at hand is finished."""

    def kill(self) -> None:
        """End it at once."""


def forks() -> bool:
    """Whether this system has child processes that share what was loaded."""
    return hasattr(os, "fork")


class ForkedChild:
    """A worker in a process of its own. ``pid`` is its number. ``first`` runs in it before any signal can arrive."""

    def __init__(
        self, work: Work, before: Before, wake: Wake | None = None, first: Callable[[], object] | None = None
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self._word, end = os.pipe()
        with untold():
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self._word)
                _be_child(work, Life(before, Stop(wake), lambda word: os.write(end, word)), parent, end, first)
        os.close(end)
        self._status: int | None = None

    def ended(self) -> End | None:
        """How it ended; None while it works."""
        if self._status is None:
            child, status = os.waitpid(self.pid, os.WNOHANG)
            if child == 0:
                return None
            self._status = status
        return self._end(self._status)

    def wait(self) -> End:
        """Wait for its end."""
        if self._status is None:
            self._status = os.waitpid(self.pid, 0)[1]
        return self._end(self._status)

    def _end(self, status: int) -> End:
        words = b""
        if self._word >= 0:
            with os.fdopen(self._word, "rb") as stream:
                words = stream.read()
            self._word = -1
        return End(os.waitstatus_to_exitcode(status), _FINISHED in words, _WENT_ON in words)

    def tell(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._status is None:  # else the number may be another process's by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class ThreadChild:
    """A worker in a thread of this process, where none can be forked."""

    def __init__(self, work: Work, before: Before, wake: Wake | None = None) -> None:
        self._life = Life(before, Stop(wake))
        self._code = 1
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Work) -> None:
        try:
            self._code = work(self._life)
        except Exception:  # noqa: BLE001 (a thread must not take the others with it)
            sys.excepthook(*sys.exc_info())

    def ended(self) -> End | None:
        """How it ended; None while it works."""
        if self._thread.is_alive():
            return None
        return End(self._code, finished=True, went_on=False)

    def tell(self) -> None:
        """Ask its Stop."""
        self._life.stop.ask()

    def kill(self) -> None:
        """No thread can be killed: it ends with the process."""


@contextlib.contextmanager
def untold() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM: told to end in the midst of a fork, a parent leaves its worker."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


_ASKING = (signal.SIGINT, signal.SIGTERM)


def _be_child(work: Work, life: Life, parent: int, end: int, first: Callable[[], object] | None) -> None:
    """Do the work and leave without returning to the parent's code; a byte to ``end`` says that it is done."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        _die_with_parent(parent)
        if first is not None:
            first()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKING)
        code = work(life)
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(end, _FINISHED)
    except BaseException:  # noqa: BLE001 (a child must never run on into its parent's code)
        sys.excepthook(*sys.exc_info())
        os.write(end, _FINISHED)
    finally:
        os._exit(code)


def _die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process with its parent: an orphan would hold the box's lease."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
