"""File systems that lose power: a loop device each, shut down without their journal's last words (EXT4_IOC_SHUTDOWN).

What was not synced by then is gone after the next mount, as on a machine whose plug was pulled (TRUST.md M1 to M3).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, and the same number for XFS (XFS_IOC_GOINGDOWN)."""
NO_LOG_FLUSH = 2

KINDS = {
    "ext4-ordered": ("ext4", "noauto_da_alloc,commit=300,data=ordered"),
    "ext4-writeback": ("ext4", "noauto_da_alloc,commit=300,data=writeback"),
    "xfs": ("xfs", ""),
}
"""File systems by name: with which options a file that is not synced is on disk as late as can be."""

MEGABYTES = {"ext4": 64, "xfs": 320}


@dataclass
class Disk:
    """A file system on a loop device, mounted at ``at``.

    The device is its own from first to last: one that ``mount`` makes goes by itself some time after ``umount``, under the next mount.
    """

    image: Path
    at: Path
    kind: str
    device: str = ""

    def make(self) -> None:
        """Make it new and mount it."""
        system, _options = KINDS[self.kind]
        with self.image.open("wb") as file:
            file.truncate(MEGABYTES[system] * 1024 * 1024)
        _run([f"mkfs.{system}", "-q", str(self.image)])
        self.device = _run(["losetup", "--find", "--show", str(self.image)])
        self.at.mkdir(parents=True, exist_ok=True)
        self.mount()

    def mount(self) -> None:
        """Mount it; what its journal holds is done again."""
        _system, options = KINDS[self.kind]
        _run(["mount", *(["-o", options] if options else []), self.device, str(self.at)])

    def cut(self) -> None:
        """Pull the plug."""
        descriptor = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Take it away; whoever still has a file open there is about to end."""
        for _ in range(100):
            if subprocess.run(["umount", str(self.at)], check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.02)
        _run(["umount", str(self.at)])

    def destroy(self) -> None:
        """Give the device back, whatever is still open."""
        subprocess.run(["umount", "-l", str(self.at)], check=False, capture_output=True)
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], check=False, capture_output=True)


def why_not(kind: str) -> str:
    """Why this machine can't cut the power of such a file system, or an empty text."""
    system, options = KINDS[kind]
    if os.geteuid() != 0:
        return "power cuts need root: loop devices are mounted"
    if shutil.which(f"mkfs.{system}") is None:
        return f"power cuts need mkfs.{system}"
    with contextlib.ExitStack() as ends:
        try:
            ends.enter_context(disks([Path("probe")], kind))
        except (OSError, subprocess.CalledProcessError) as fault:
            said = getattr(fault, "stderr", "") or str(fault)
            return f"this machine mounts no {system} on a loop device ({options}): {said.strip()}"
    return ""


@contextlib.contextmanager
def disks(places: Sequence[Path], kind: str) -> Iterator[list[Disk]]:
    """A new disk mounted at each of these places, the outer ones first; relative ones are below a folder of their own."""
    with contextlib.ExitStack() as ends:
        # In memory: what is measured is what the file system writes, not how fast the machine's disk is.
        memory = Path("/dev/shm")
        base = Path(ends.enter_context(_folder(memory if memory.is_dir() else None)))
        made = []
        for number, place in enumerate(places):
            disk = Disk(base / f"{number}.img", base / place, kind)
            ends.callback(disk.destroy)
            disk.make()
            made.append(disk)
        yield made


@contextlib.contextmanager
def _folder(parent: Path | None) -> Iterator[str]:
    import tempfile

    folder = tempfile.mkdtemp(prefix="crmservice-disks-", dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str]) -> str:
    """What a command says. Raises CalledProcessError where it fails."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
