"""Homes of a company, with the embedded database; a mailbox on Dovecot, and homes to fetch from it."""

from __future__ import annotations

from tests.faults.fixtures import on_dovecot, on_folder, server, template
from tests.support.company import company_file, new_home

__all__ = ["company_file", "new_home", "on_dovecot", "on_folder", "server", "template"]
