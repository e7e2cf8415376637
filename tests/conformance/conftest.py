"""Homes of a company, with the embedded database."""

from __future__ import annotations

from tests.support.company import company_file, new_home

__all__ = ["company_file", "new_home"]
