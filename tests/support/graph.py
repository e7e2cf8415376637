"""Graph on the stand-in, with a clock that moves when somebody waits: fixtures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from crmservice.microsoft.graph import Graph
from crmservice.microsoft.pace import Pace
from crmservice.testing.graph.mail import Mailbox, MailServer
from crmservice.testing.tokens import FixedToken
from crmservice.tls import Timeouts

QUICK = Timeouts(connect=5, read=5)


class Clock:
    """Seconds that pass by sleeping alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


class ServerToken(FixedToken):
    """Tokens of the stand-in, kept until they are refused."""

    def __init__(self, server: MailServer) -> None:
        super().__init__("")
        self.server = server
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            if not self.value:
                self.value = self.server.new_token("https://graph.microsoft.com/.default")
            return self.value

    def refused(self, token: str) -> None:
        with self._lock:
            super().refused(token)
            if token == self.value:
                self.value = ""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[MailServer]:
    """The stand-in; whatever is not as Graph's description says fails the test."""
    with MailServer(clock=clock).running() as running:
        yield running
        assert running.violations == []


@pytest.fixture
def mailbox(server: MailServer) -> Mailbox:
    return server.add("crm@firma.cz")


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock, clock.sleep)


@pytest.fixture
def new_graph(server: MailServer, pace: Pace) -> Iterator[Callable[..., Graph]]:
    """Makes clients of the stand-in; all share one pace."""
    made: list[Graph] = []

    def new(timeouts: Timeouts = QUICK, its_pace: Pace = pace) -> Graph:
        made.append(Graph(lambda: server.graph_uri, ServerToken(server), its_pace, timeouts))
        return made[-1]

    yield new
    for one in made:
        one.close()


@pytest.fixture
def graph(new_graph: Callable[..., Graph]) -> Graph:
    return new_graph()
