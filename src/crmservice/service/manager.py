"""The background service: one parent, and a child for each box beside the keeper (SPEC chapter 10).

The parent opens no database, no connection and no thread: it starts its children from what it has loaded, starts
again what ends, replaces those whose files changed, and ends them all. No child outlives it.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from crmservice.errors import BadConfiguration
from crmservice.service import wiring
from crmservice.service.child import Before, Child, ForkedChild, Life, ThreadChild, Work, forks
from crmservice.service.configuration import Configuration
from crmservice.service.duties import DUTIES, Kind, Plan
from crmservice.service.health import Say
from crmservice.service.log import ServiceLog
from crmservice.service.post import GRACE_S, Post
from crmservice.service.sd_notify import notify
from crmservice.service.wake import Wake
from crmservice.words import Words

DONE, BAD_CONFIGURATION = 0, 78
LOOK_S = 2.0

Speak = Callable[[Callable[[], int]], int]
"""Does a child's work and puts the fault that ends it into words; returns the exit code."""


class Manager:
    """The parent. ``threads``: the children are threads of this process, as on a system that can't fork."""

    def __init__(
        self,
        home: Path,
        say: Say,
        speak: Speak,
        *,
        kinds: Sequence[Kind] = DUTIES,
        threads: bool | None = None,
        look: float = LOOK_S,
    ) -> None:
        self._configuration = Configuration(home)
        found = self._configuration.found
        if not found.boxes and not found.bad:
            raise BadConfiguration("{home} holds no technology box: make one with 'crmservice init'", home=home)
        self._say, self._speak, self._kinds, self._look = say, speak, kinds, look
        self._threads = not forks() if threads is None else threads
        self._plan = Plan(self._configuration, say)
        self._log = ServiceLog(home, found.settings.zone, wiring.now, found.settings.log)
        self._wake = Wake()
        self._posts: dict[str, Post] = {}
        self._asked = self._reload = False
        self._on_terminal = _terminal()
        self._code = DONE

    def ask(self) -> None:
        """Ask for the end, from any thread or a signal."""
        self._asked = True
        self._wake.nudge()

    def run(self) -> int:
        """Until asked to end; returns 0, or 78 where a child says that the configuration is bad."""
        for warning in self._configuration.found.warnings:
            self._say(warning.words, False)
        self._tell_bad({})
        self._assign()
        # What is loaded by now is the children's too: the collector must not touch, and so copy, its pages.
        gc.collect()
        gc.freeze()
        with self._listening():
            while not self._asked:
                self._turn()
            self._end()
        return self._code

    def _turn(self) -> None:
        for post in self._posts.values():
            said, code = post.look()
            if said is not None:
                self._tell(said)
            if code == BAD_CONFIGURATION:
                self._code = code
                self._asked = True
                return
        self._posts = {name: post for name, post in self._posts.items() if not (post.leaving and post.vacant)}
        self._take_up()
        for post in self._posts.values():
            post.fill()
        notify("READY=1\nWATCHDOG=1")
        self._wake.wait(min([self._look, *(post.left() for post in self._posts.values() if post.vacant)]))

    def _take_up(self) -> None:
        """Take up what changed in the home's files."""
        reload, self._reload = self._reload, False
        if reload:
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        before = self._configuration.found.bad
        if self._configuration.renew(at_once=reload):
            self._tell_bad(before)
            self._assign()

    def _assign(self) -> None:
        """Bring the posts in step with what is wanted now."""
        wanted = {duty.name: duty for kind in self._kinds for duty in kind(self._plan)}
        begun = bool(self._posts)
        for name, duty in wanted.items():
            if name not in self._posts:
                self._posts[name] = Post(duty, self._start)
                if begun:
                    self._log.notice(f"{name}: it is new, and begins")
            elif self._posts[name].take(duty):
                self._log.notice(f"{name}: its files changed, and it begins anew")
        for name, post in self._posts.items():
            if name not in wanted and not post.leaving:
                self._log.notice(f"{name}: its file is gone, and it ends")
                post.leaving = True
                post.end()

    def _end(self) -> None:
        notify("STOPPING=1")
        for post in self._posts.values():
            post.leaving = True
            post.end()
        until = time.monotonic() + GRACE_S + 1
        while any(not post.vacant for post in self._posts.values()) and time.monotonic() < until:
            self._wake.wait(0.2)
            for post in self._posts.values():
                post.look()

    def _start(self, work: Work, before: Before, wake: Wake) -> Child:
        def spoken(life: Life) -> int:
            return self._speak(lambda: work(life))

        if self._threads:
            return ThreadChild(spoken, before, wake)
        return ForkedChild(spoken, before, wake, self._forget)

    def _tell_bad(self, before: dict[str, Words]) -> None:
        for name, words in self._configuration.found.bad.items():
            if before.get(name) != words:
                self._tell(words)

    def _tell(self, words: Words) -> None:
        self._say(words, True)
        self._log.error(str(words))

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """SIGTERM and SIGINT ask for the end, SIGHUP for a look at the files, and a child's end wakes us."""
        self._before: dict[int, object] = {}
        if threading.current_thread() is not threading.main_thread():  # a service of Windows is asked otherwise
            yield
            return
        heard = {"SIGTERM": self._told, "SIGINT": self._told, "SIGHUP": self._hung_up, "SIGCHLD": _nothing}
        for name, handler in heard.items():
            if (number := getattr(signal, name, None)) is not None:
                self._before[number] = signal.signal(number, handler)
        waking = signal.set_wakeup_fd(self._wake.writer(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(waking)
            self._restore()

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    def _hung_up(self, _number: int, _frame: FrameType | None) -> None:
        if self._on_terminal and not _terminal():
            self._asked = True  # its window was closed: nobody meant it to go on unseen
        self._reload = True

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave

    def _forget(self) -> None:
        """In a child, before any signal arrives: the parent's handlers are not its own."""
        self._restore()
        # Who reloads the service may tell the whole group.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _terminal() -> bool:
    """Whether there is a terminal at the other end of standard input."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) > 0
    except OSError:
        return False


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """The byte that Python writes to the wakeup descriptor is all there is to do."""
