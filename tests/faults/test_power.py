"""Power cuts: the backup and the database on two file systems that forget what was not synced (TRUST.md C3, M1 to M3).

On one file system a forgotten sync would stay unseen: the database's own takes everything before it along.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.disks import KINDS, Disk, disks, why_not
from tests.faults.fixtures import Figures
from tests.faults.scene import Scene, scene
from tests.faults.warm import Warm

WAITING = 12
WITHIN = (0.05, 0.2, 0.6)
CUTS = 15
CAMPAIGNS = 4
CUTS_IN_FULL = 60
"""Of each campaign, protocol and file system: 1,440 in all."""

pytestmark = pytest.mark.server


def cut(scene: Scene, outer: Disk, inner: Disk, cuts: int) -> list[str]:
    """Cut the power while mail arrives; what is wrong after the last time."""
    for _ in range(cuts):
        scene.fill(WAITING)
        worker = scene.at_work(scene.chance.choice(WITHIN))
        worker.signal(signal.SIGSTOP)  # all at the same moment: the machine, and both its disks
        # The mail server is another machine. What it was told to delete by now, it asks about when the disks are back.
        with scene.mailbox.asking:
            for disk in scene.chance.sample([outer, inner], 2):
                disk.cut()
            scene.off(worker.kill())
            inner.unmount()
            outer.unmount()
            outer.mount()
            inner.mount()
    return scene.settle()


@contextmanager
def on_disks(warm: Warm, template: Path, protocol: str, kind: str) -> Iterator[tuple[Scene, Disk, Disk]]:
    """A scene whose home is on one disk, and its backup on another."""
    places = [Path("home"), Path("home/POP3Downloads")]
    with (
        disks(places, kind) as (outer, inner),
        scene(warm, template, outer.at, protocol, large=0) as ready,
    ):
        os.sync()
        yield ready, outer, inner


def _cut(warm: Warm, template: Path, protocol: str, kind: str, cuts: int) -> str:
    if reason := why_not(kind):
        pytest.skip(reason)
    with on_disks(warm, template, protocol, kind) as (ready, outer, inner):
        wrong = cut(ready, outer, inner, cuts)
        assert wrong == [], f"CRM_TEST_SEED={ready.seed}"
        return f"{kind}, {protocol}: {cuts} power cuts, {len(ready.place.sent)} mails, 0 faults"


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_a_power_cut_loses_nothing(protocol: str, warm: Warm, template: Path, figures: Figures) -> None:
    figures("C3", _cut(warm, template, protocol, "ext4-ordered", CUTS))


@pytest.mark.slow
@pytest.mark.parametrize("campaign", range(CAMPAIGNS))
@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_power_cuts_lose_nothing(
    kind: str, protocol: str, campaign: int, warm: Warm, template: Path, figures: Figures
) -> None:
    figures("C3", f"({campaign + 1}) {_cut(warm, template, protocol, kind, CUTS_IN_FULL)}")
