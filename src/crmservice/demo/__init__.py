"""A sample company with its mail: what ``crmservice demo`` runs, and what tests and pages can rely upon.

Everything is made up; every domain ends in ``.example`` (RFC 2606). Nothing here is sent anywhere.
"""

from __future__ import annotations
