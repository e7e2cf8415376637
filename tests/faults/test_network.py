"""A line that breaks or stalls at any byte, a thousand times: all mail comes, once (TRUST.md C8, C9).

Another box is not kept waiting meanwhile: tests/faults/test_service.py.
"""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.faults.fixtures import Figures
from tests.faults.line import BREAKS, STALLS, Line
from tests.faults.scene import PATIENCE_S, Scene
from tests.faults.warm import wait_until

WAITING = 40
MOST = 16_000
"""Bytes of a session, about: forty mails and the talk around them."""

WAITS = (2.0, 0.3, 1.0)
"""Seconds for a connection, the next bytes, a session in which little comes."""

ENDS_WITHIN_S = 3.0
"""So long after a fault struck the worker must have begun anew: what little comes is waited for no longer."""


def troubled(scene: Scene, kinds: tuple[str, ...], faults: int) -> tuple[list[str], float]:
    """Let a line break so often while mail arrives, then hold; what is wrong then, and the longest wait between two faults."""
    (protocol, port), *_ = scene.order.ports.items()
    line = Line(port, kinds, scene.chance, MOST)
    longest = 0.0
    with line.open() as through:
        scene.order = replace(scene.order, ports={protocol: through}, waits=WAITS)
        worker = scene.start()
        while line.struck.total() < faults and not worker.ended(0):
            scene.fill(WAITING)
            before, begun = line.struck.total(), time.monotonic()
            wait_until(lambda before=before: line.struck.total() > before or scene.quiet(), PATIENCE_S)  # type: ignore[misc]
            longest = max(longest, time.monotonic() - begun)
        line.clean = True
        worker.stop()
        return scene.settle(), longest


def _tried(scene: Scene, kinds: tuple[str, ...], faults: int) -> str:
    scene.mails.broken = scene.mails.large = 0
    wrong, longest = troubled(scene, kinds, faults)
    assert wrong == [], f"CRM_TEST_SEED={scene.seed}"
    assert longest < ENDS_WITHIN_S + sum(WAITS)
    protocol = next(iter(scene.order.ports))
    return f"{protocol}: {faults} times {', '.join(kinds)}; {len(scene.place.sent)} mails, 0 faults"


@pytest.mark.parametrize("faults", [15, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("on_stub", ["pop3", "imap"], indirect=True)
def test_a_line_that_breaks_at_any_byte_loses_nothing(on_stub: Scene, faults: int, figures: Figures) -> None:
    figures("C8", _tried(on_stub, BREAKS, faults))


@pytest.mark.parametrize("faults", [8, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("on_stub", ["pop3", "imap"], indirect=True)
def test_a_line_that_stalls_at_any_byte_loses_nothing_and_is_given_up_soon(
    on_stub: Scene, faults: int, figures: Figures
) -> None:
    figures("C9", _tried(on_stub, STALLS, faults))
