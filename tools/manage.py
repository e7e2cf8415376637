#!/usr/bin/env python3
"""Django's own commands for developers (makemigrations and so on), with the newer SQLite in place.

Works in a throw-away home unless CRMSERVICE_HOME names one: a check must not make a database in the source tree.
"""

from __future__ import annotations

import os
import sys
import tempfile

from crmservice import bootstrap


def main() -> None:
    """Run one management command with the arguments of this process."""
    bootstrap.prepare()
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("CRMSERVICE_HOME", home)
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
