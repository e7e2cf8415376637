"""Several workers on one mailbox, by forks of the warm parent (TRUST.md C19; more of it in tests/service/test_worker.py)."""

from __future__ import annotations

import pytest

from tests.faults.fixtures import Figures
from tests.faults.scene import PATIENCE_S, Scene
from tests.faults.warm import wait_until

WORKERS = 3
MAILS = 20
TURNS = 3


def together(scene: Scene, patience: float = PATIENCE_S, workers: int = 2) -> list[str]:
    """Let several workers want one box while mail arrives; what is wrong then."""
    at_work = [scene.start() for _ in range(workers)]
    for _ in range(TURNS):
        scene.fill(MAILS)
        filed = wait_until(scene.quiet, patience)
    for worker in at_work:
        worker.stop()
    wrong = [] if filed else [f"not filed after {patience:g} s"]
    if scene.mailbox.most > 1:
        wrong.append(f"{scene.mailbox.most} sessions at a time")
    return [*wrong, *scene.place.faults()]


@pytest.mark.parametrize("on_stub", ["pop3", "imap"], indirect=True)
def test_of_several_workers_one_at_a_time_has_the_mailbox(on_stub: Scene, figures: Figures) -> None:
    on_stub.mails.broken = 0
    assert together(on_stub, workers=WORKERS) == []
    figures("C19", f"{WORKERS} workers, {len(on_stub.place.sent)} mails: one session at a time, 0 faults")
