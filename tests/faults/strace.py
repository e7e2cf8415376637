"""Reading what ``strace -f -y`` wrote (strace(1)): a call a line, or in two halves where processes took turns."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CALLS = "fsync,fdatasync,rename,renameat,renameat2,write,pwrite64,sendto,recvfrom"

_LINE = re.compile(r"(\d+)\s+(.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\)\s+=\s+(-?\d+)[^)]*(?:\(.*\))?$", re.DOTALL)
_FILE = re.compile(r"-?\w+<([^>]*)>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNFINISHED = " <unfinished ...>"


@functools.cache
def why_not() -> str:
    """Why system calls can't be traced and made to fail here, or an empty text."""
    if shutil.which("strace") is None:
        return "strace is not installed: make servers"
    trial = ["strace", "-f", "-e", "trace=write", "-e", "inject=write:error=EIO:when=9", "true"]
    done = subprocess.run(trial, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        return f"this machine lets nobody trace: {done.stderr.strip().splitlines()[-1:]}"
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.geteuid() != 0 and scope.exists() and scope.read_text().strip() != "0":
        return "only root may trace a process that is at work already (kernel.yama.ptrace_scope)"
    return ""


@dataclass(frozen=True)
class Call:
    """A system call that ended. ``files`` are the paths (or sockets) of its descriptors, in their order."""

    name: str
    files: tuple[str, ...]
    texts: tuple[str, ...]
    """Strings as strace writes them: a line's end is the four characters ``\\r\\n``."""
    result: int


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """The calls of a trace in the order in which they ended; signals and exits are no calls."""
    begun: dict[str, str] = {}
    for line in lines:
        if (found := _LINE.match(line.rstrip("\n"))) is None:
            continue
        process, text = found.groups()
        if text.endswith(_UNFINISHED):
            begun[process] = text.removesuffix(_UNFINISHED)
            continue
        if (rest := _RESUMED.match(text)) is not None:
            text = begun.pop(process, "") + rest[1]
        if (call := _CALL.match(text)) is not None:
            yield _call(call[1], call[2], int(call[3]))


def _call(name: str, arguments: str, result: int) -> Call:
    outside = _TEXT.sub('""', arguments)
    return Call(name, tuple(_FILE.findall(outside)), tuple(_TEXT.findall(arguments)), result)


def made(trace: Path, names: str) -> list[tuple[str, int]]:
    """Every call of these names in a trace, with its number: strace counts each kind on its own."""
    count = Counter(line.split()[1].partition("(")[0] for line in trace.read_text().splitlines() if "(" in line)
    return [(name, number) for name in names.split(",") for number in range(1, count[name] + 1)]


@contextmanager
def beside(process: int, *wishes: str) -> Iterator[None]:
    """strace beside a process that has stopped itself (SIGSTOP), from its first step on until it ends."""
    end = time.monotonic() + 60
    while _state(process) != "T":
        assert time.monotonic() < end, "it did not stop itself"
        time.sleep(0.001)
    command = ["strace", "-f", "-p", str(process), *wishes]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        assert " attached" in said, said
        os.kill(process, signal.SIGCONT)
        try:
            yield
        finally:
            if _state(process) != "Z":
                tracer.terminate()  # the traced one lives on without it
            tracer.communicate()


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
