"""Where a duty is done: whoever ends is followed, at once while something gets done, and later where nothing does."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

import pytest

from crmservice.service.child import Before, Child, End, Work
from crmservice.service.duties import Duty
from crmservice.service.post import GRACE_S, MOST_WAIT_S, Post
from crmservice.service.supervise import MOST_KILLS
from crmservice.service.wake import Wake

CRASH = End(-signal.SIGSEGV, finished=False, went_on=False)
KILLED = End(-signal.SIGKILL, finished=False, went_on=False)
LEFT = End(0, finished=True, went_on=False)


class Puppet:
    """A child that ends as it is told."""

    def __init__(self) -> None:
        self.end: End | None = None
        self.heard: list[str] = []

    def ended(self) -> End | None:
        return self.end

    def tell(self) -> None:
        self.heard.append("tell")

    def kill(self) -> None:
        self.heard.append("kill")


@dataclass
class Stage:
    """A post whose children are puppets."""

    now: float = 100.0
    born: list[tuple[Puppet, Before]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wake = Wake()
        self.post = Post(self.duty(1), self._start, lambda: self.now)
        self.post.fill()

    def duty(self, made_of: object) -> Duty:
        return Duty("box crm", made_of, lambda _life: 0, self.wake)

    def _start(self, _work: Work, before: Before, _wake: Wake) -> Child:
        self.born.append((Puppet(), before))
        return self.born[-1][0]

    def ends(self, end: End, *, lived: float = 0.1) -> float:
        """The present child ends; how long nobody is there. Then the next one is."""
        self.now += lived
        self.born[-1][0].end = end
        self.said, self.code = self.post.look()
        wait = max(0.0, self.post.left())
        self.now += wait
        self.post.fill()
        assert not self.post.vacant
        return wait

    @property
    def told(self) -> Before:
        """What the present child was told."""
        return self.born[-1][1]


@pytest.fixture
def stage() -> object:
    made = Stage()
    yield made
    made.wake.close()


def test_a_mail_that_kills_twice_costs_no_time(stage: Stage) -> None:
    assert [stage.ends(CRASH) for _ in range(3)] == [0, 0, 0]
    assert stage.told is Before.DIED


def test_deaths_in_vain_are_waited_out_longer_and_longer(stage: Stage) -> None:
    waits = [stage.ends(CRASH) for _ in range(12)]
    assert waits[3:6] == [2, 4, 8]
    assert waits[-1] == MOST_WAIT_S


def test_progress_starts_the_count_again(stage: Stage) -> None:
    for _ in range(6):
        stage.ends(CRASH)
    assert stage.ends(End(-signal.SIGSEGV, finished=False, went_on=True)) == 0
    assert [stage.ends(CRASH) for _ in range(3)] == [0, 0, 0]


def test_so_does_a_long_life(stage: Stage) -> None:
    for _ in range(6):
        stage.ends(CRASH)
    assert stage.ends(CRASH, lived=MOST_WAIT_S + 1) == 0


def test_kills_are_nobody_s_fault_but_not_for_ever(stage: Stage) -> None:
    told = []
    for _ in range(MOST_KILLS + 1):
        stage.ends(KILLED)
        told.append(stage.told)
    assert told == [Before.KILLED] * MOST_KILLS + [Before.NOTHING]


def test_one_that_leaves_is_followed_in_a_second_and_nobody_is_blamed(stage: Stage) -> None:
    assert stage.ends(LEFT) == 1
    assert stage.told is Before.NOTHING
    assert str(stage.said) == "box crm has ended (exit code 0); it is started again"


def test_the_exit_code_of_work_that_was_done_reaches_the_parent(stage: Stage) -> None:
    stage.ends(End(78, finished=True, went_on=False))
    assert stage.code == 78
    stage.ends(End(78, finished=False, went_on=False))
    assert stage.code == 0


def test_another_duty_replaces_the_child_when_it_has_ended_its_work(stage: Stage) -> None:
    first = stage.born[0][0]
    stage.post.take(stage.duty(1))
    assert first.heard == []
    stage.post.take(stage.duty(2))
    stage.post.take(stage.duty(2))
    assert first.heard == ["tell"]
    assert stage.ends(LEFT) == 0
    assert stage.said is None
    assert len(stage.born) == 2


def test_who_waits_for_another_start_does_not_when_the_files_change(stage: Stage) -> None:
    for _ in range(6):
        stage.ends(CRASH)
    stage.born[-1][0].end = CRASH
    stage.post.look()
    assert stage.post.left() > 0
    stage.post.take(stage.duty(2))
    assert stage.post.left() <= 0


def test_one_that_does_not_end_is_killed_and_its_mail_not_blamed(stage: Stage) -> None:
    child = stage.born[0][0]
    stage.post.end()
    stage.now += GRACE_S
    stage.post.look()
    assert child.heard == ["tell"]
    stage.now += 0.1
    stage.post.look()
    assert child.heard == ["tell", "kill"]
    stage.ends(KILLED)
    assert stage.told is Before.KILLED
    assert stage.said is None


def test_a_post_that_is_wanted_no_more_stays_vacant(stage: Stage) -> None:
    stage.post.leaving = True
    stage.post.end()
    stage.born[-1][0].end = LEFT
    stage.post.look()
    stage.post.fill()
    assert stage.post.vacant
    stage.post.take(stage.duty(1))
    stage.post.fill()
    assert not stage.post.vacant
