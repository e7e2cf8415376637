"""Whether all is well: what an operator must look at, by the state of boxes, jobs and what waits (SPEC chapter 10)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from crmservice.store.box_state import State
from crmservice.store.counts import BoxCounts, Counts
from crmservice.words import Words

WAITS_LONG = timedelta(minutes=15)
"""A message that waits for its verdict so long is no passing thing."""

CYCLES_MISSED = 3
SLOWEST_TURN = timedelta(minutes=12)
"""A server that hardly says anything is left after ten (``tls.Timeouts``); until then nothing is heard of its box."""
LOW_DISK_BYTES = 512 * 1024 * 1024
JOB_HANGS = timedelta(hours=12)
RESTART_HELPS = frozenset(("never-ran", "not-running"))
"""Codes of troubles that a supervisor may answer with a restart; the others want a person."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a person must look at. ``code`` is stable; ``box`` empty where it is no box's own."""

    code: str
    words: Words
    box: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """Room on the disk of the home, in bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Health:
    """Everything that status, health and metrics show.

    ``now`` is aware and UTC, ``zone`` the home's. ``poll``: box -> seconds from cycle to cycle, of configured boxes alone.
    ``faults``: what is wrong with the configuration.
    """

    now: datetime
    zone: tzinfo
    poll: Mapping[str, int]
    states: Mapping[str, State]
    counts: Counts
    disk: Disk
    faults: tuple[Words, ...] = ()

    def troubles(self) -> list[Trouble]:
        """What is wrong, the worst first."""
        found = [Trouble("configuration", fault) for fault in self.faults]
        for box in self.poll:
            found += _of_box(box, self)
        return [*found, *_of_disk(self.disk), *_of_sending(self.counts), *_of_jobs(self)]

    def at_work(self) -> bool:
        """Whether the service goes its rounds, though something else may be wrong."""
        return not any(one.code in RESTART_HELPS for one in self.troubles())

    def minute(self, when: datetime) -> str:
        """``2026-11-25 19:30`` on the wall clock of the home."""
        return f"{when.astimezone(self.zone):%Y-%m-%d %H:%M}"


def disk_of(home: Path) -> Disk:
    """The disk that holds the home."""
    usage = shutil.disk_usage(home)
    return Disk(usage.free, usage.total)


def _of_box(box: str, health: Health) -> Iterable[Trouble]:
    state, counted = health.states.get(box, State(box)), health.counts.boxes.get(box, BoxCounts())
    yield from _of_reading(state, health)
    if state.tried is None:
        yield Trouble("never-ran", Words("was never read: does the service run?"), box)
    elif health.now - state.tried > _patience(health.poll[box]):
        when = health.minute(state.tried)
        yield Trouble("not-running", Words("was read last at {when}: does the service run?", when=when), box)
    if counted.oldest is not None and health.now - counted.oldest > WAITS_LONG:
        since = health.minute(counted.oldest)
        words = Words("{count} messages wait, the oldest since {since}", count=counted.waiting, since=since)
        yield Trouble("waits-long", words, box)
    if aside := counted.verdicts.get("set_aside", 0):
        yield Trouble("set-aside", Words("messages that are set aside: {count}; crmservice requeue", count=aside), box)


def _of_reading(state: State, health: Health) -> Iterable[Trouble]:
    if state.kind == "bad-file":
        yield Trouble("box-file", state.fault or Words("its file can't be used"), state.box)
    elif state.failing_since is not None:
        since = health.minute(state.failing_since)
        fault = state.fault or ""
        words = Words("fails since {since}, tries: {count}: {fault}", since=since, count=state.failures, fault=fault)
        yield Trouble("box-failing", words, state.box)


def _patience(poll_seconds: int) -> timedelta:
    return max(timedelta(seconds=CYCLES_MISSED * poll_seconds) + timedelta(minutes=5), SLOWEST_TURN)


def _of_disk(disk: Disk) -> Iterable[Trouble]:
    if disk.free < LOW_DISK_BYTES:
        free = disk.free // (1024 * 1024)
        yield Trouble("disk-full", Words("only {free} MiB are free on the disk of the home: make room", free=free))


def _of_sending(counted: Counts) -> Iterable[Trouble]:
    if failed := counted.outgoing.get("failed", 0):
        yield Trouble(
            "mail-failed", Words("mails of ours that were refused: {count}; look at smtpServer", count=failed)
        )


def _of_jobs(health: Health) -> Iterable[Trouble]:
    for job in health.counts.jobs:
        if not job.ok:
            yield Trouble("job-failed", Words("{job} did not go well", job=job.name))
        elif job.began and (job.ended is None or job.ended < job.began) and health.now - job.began > JOB_HANGS:
            yield Trouble("job-hangs", Words("{job} runs since {since}", job=job.name, since=health.minute(job.began)))
