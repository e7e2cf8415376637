"""What the service has children for: each kind is a function that says which of them are wanted, and a line in DUTIES.

It is called in the parent, so it loads what its children work with: they share that memory, and begin at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from crmservice.config import Box
from crmservice.service.child import Life
from crmservice.service.configuration import Configuration
from crmservice.service.health import Say
from crmservice.service.wake import Wake


@dataclass
class Plan:
    """What a child is made of: the configuration as its parent holds it, and a Wake for each box and the keeper.

    A Wake is made by the parent before it forks, so that who takes mail for a box can nudge its worker, whichever of the
    two was started again meanwhile.
    """

    configuration: Configuration
    say: Say
    _wakes: dict[str, Wake] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.configuration.found.settings.home

    def wake(self, name: str) -> Wake:
        """What wakes the worker of this box, or another duty of this name."""
        if name not in self._wakes:
            self._wakes[name] = Wake()
        return self._wakes[name]


@dataclass(frozen=True, slots=True)
class Duty:
    """A child that is wanted. ``name`` is for people; with another ``made_of`` it is another child.

    ``work`` runs in the child until asked to end; ``wake`` is woken by what asks it.
    """

    name: str
    made_of: object
    work: Callable[[Life], int]
    wake: Wake


Kind = Callable[[Plan], Iterable[Duty]]


def workers(plan: Plan) -> Iterable[Duty]:
    """A worker for each box."""
    import crmservice.service.rounds
    import crmservice.store.gateway
    import crmservice.store.inbox
    import crmservice.store.lease  # noqa: F401 (loaded for the children)
    from crmservice.service.worker import Worker

    found = plan.configuration.found
    for name, box in found.boxes.items():
        wake = plan.wake(name)

        def work(life: Life, box: Box = box, wake: Wake = wake) -> int:
            return Worker(box, found.settings, life, wake, plan.say).run()

        yield Duty(f"box {name}", (box, found.settings, found.beside[name]), work, wake)


def keeper(plan: Plan) -> Iterable[Duty]:
    """One keeper."""
    from crmservice.service.keeper import Keeper

    wake = plan.wake("/keeper")
    settings = plan.configuration.found.settings
    yield Duty("keeper", settings, lambda life: Keeper(plan.configuration, life, wake, plan.say).run(), wake)


def listeners(plan: Plan) -> Iterable[Duty]:
    """A listener for each box with ``smtpListen``; it nudges the box's worker."""
    settings = plan.configuration.found.settings
    for name, box in plan.configuration.found.boxes.items():
        if box.smtp_listen:
            from crmservice.service.listening import Listener, made_of

            wake, nudge = plan.wake(f"{name}/smtp"), plan.wake(name).nudge

            def work(life: Life, box: Box = box, nudge: Callable[[], None] = nudge) -> int:
                return Listener(box, settings, nudge, life).run()

            yield Duty(f"listener {name}", (made_of(box), settings), work, wake)


DUTIES: tuple[Kind, ...] = (workers, listeners, keeper)
"""Every kind of child, in the order in which they are started."""
