"""The command ``crmservice``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line (SPEC chapter 11) and leave with its exit code."""
    from crmservice.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
