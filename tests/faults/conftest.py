"""A mailbox on Dovecot and homes to fetch from it."""

from __future__ import annotations

from tests.faults.fixtures import on_dovecot, on_folder, server, template

__all__ = ["on_dovecot", "on_folder", "server", "template"]
