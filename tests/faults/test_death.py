"""kill -9 of the service's worker at any moment, thousands of times (TRUST.md C1)."""

from __future__ import annotations

import pytest

from tests.faults.fixtures import Figures
from tests.faults.scene import Scene

PROTOCOLS = ("pop3", "imap", "emlDir")
WAITING = 40
"""Mails in the mailbox whenever a worker begins."""

WITHIN = (0.05, 0.2, 0.8)
"""Seconds: most deaths are to fall on the first batch, some on what follows."""

KILLS = 20
CAMPAIGNS = 10
KILLS_IN_FULL = 101
"""Of each campaign and protocol: 3,030 in all. With none lost, fewer than one death in a thousand loses mail (95 %)."""


def killed(scene: Scene, kills: int) -> list[str]:
    """Kill workers while mail arrives; what is wrong after the last one worked undisturbed."""
    while scene.kills < kills:
        scene.fill(WAITING)
        scene.kill(scene.at_work(scene.chance.choice(WITHIN)))
    return scene.settle()


def _told(scene: Scene, wrong: list[str]) -> str:
    return (
        f"{scene.kills} kills, {len(scene.place.sent)} mails, {scene.deaths} deaths by mail,"
        f" {len(wrong)} faults; found after a kill: {dict(scene.left)}"
    )


@pytest.mark.parametrize("on_stub", PROTOCOLS, indirect=True)
def test_killed_at_any_moment_it_files_each_mail_once(on_stub: Scene, figures: Figures) -> None:
    wrong = killed(on_stub, KILLS)
    figures("C1", _told(on_stub, wrong))
    assert wrong == [], f"CRM_TEST_SEED={on_stub.seed}"


@pytest.mark.slow
@pytest.mark.parametrize("campaign", range(CAMPAIGNS))
@pytest.mark.parametrize("on_stub", PROTOCOLS, indirect=True)
def test_killed_thousands_of_times_it_files_each_mail_once(on_stub: Scene, campaign: int, figures: Figures) -> None:
    wrong = killed(on_stub, KILLS_IN_FULL)
    figures("C1", f"({campaign + 1}) {_told(on_stub, wrong)}")
    assert wrong == [], f"CRM_TEST_SEED={on_stub.seed}"
