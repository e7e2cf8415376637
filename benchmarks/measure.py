"""What a process and its children use: CPU by wait4, memory by the sum of their PSS."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLED_EVERY_S = 0.02


@dataclass(frozen=True)
class Use:
    """CPU seconds (user and system, children that were waited for included), seconds on the clock, peak PSS in bytes."""

    cpu: float
    wall: float
    peak: int = 0
    status: int = 0


def measured(command: Sequence[str], *, memory: bool = False, may_fail: bool = False) -> Use:
    """Run a command to its end and say what it used. Raises RuntimeError with its output if it fails."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        output: list[bytes] = []
        reader = threading.Thread(target=lambda: output.append(process.stdout.read() if process.stdout else b""))
        reader.start()
        watch = _Watch(process.pid) if memory else None
        _pid, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
    if process.returncode and not may_fail:
        raise RuntimeError(
            f"{' '.join(command)} exited {process.returncode}:\n{output[0].decode(errors='replace')[-3000:]}"
        )
    return Use(used.ru_utime + used.ru_stime, wall, watch.stop() if watch else 0, process.returncode)


def median_cpu(command: Sequence[str], runs: int = 5) -> float:
    """The median CPU seconds of several runs of a command."""
    return statistics.median(measured(command).cpu for _ in range(runs))


class _Watch:
    """Samples the summed PSS (proportional set size, proc(5) smaps_rollup) of a process tree in a thread of its own."""

    def __init__(self, root: int) -> None:
        self.root, self.peak, self.done = root, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.done.wait(SAMPLED_EVERY_S):
            self.peak = max(self.peak, sum(map(pss, tree(self.root))))

    def stop(self) -> int:
        """The highest sum seen, in bytes."""
        self.done.set()
        self.thread.join()
        return self.peak


def tree(root: int) -> list[int]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, at = [root], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found


def _parent(entry: Path) -> int | None:
    try:
        # pid (comm) state ppid …; the command's name may hold spaces and brackets.
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def pss(pid: int) -> int:
    """A process's proportional set size in bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
