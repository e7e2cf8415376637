"""The command ``crmservice``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line (SPEC chapter 11) and leave with its exit code."""
    from crmservice.cli.app import run

    os.umask(0o077)  # the mail and the database of a company are nobody else's business
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
