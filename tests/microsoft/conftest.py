"""Graph on the stand-in."""

from __future__ import annotations

from tests.support.graph import clock, graph, mailbox, new_graph, pace, server

__all__ = ["clock", "graph", "mailbox", "new_graph", "pace", "server"]
