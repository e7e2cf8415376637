"""Exit codes of SPEC chapter 11."""

from __future__ import annotations

from crmservice.errors import BadConfiguration, CrmServiceError

DONE = 0
FAILED = 1
USAGE = 2
TRY_LATER = 75
BAD_CONFIGURATION = 78
INTERRUPTED = 130


def code_of(fault: CrmServiceError) -> int:
    """The exit code for a fault: its kind decides, never its text."""
    if isinstance(fault, BadConfiguration):
        return BAD_CONFIGURATION
    return FAILED if fault.permanent else TRY_LATER
