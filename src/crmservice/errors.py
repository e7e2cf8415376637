"""Faults that a caller can act upon: each knows whether trying again helps."""

from __future__ import annotations

from crmservice.words import Words


class CrmServiceError(Exception):
    """Base of every fault of ours; its text tells a person what happened and what to do.

    ``permanent`` is True where trying again changes nothing (a wrong password), False where it may
    (a server that does not answer). The command line turns it into the exit codes of SPEC chapter 11.
    ``words`` is the text as a template with its facts, so that it can be said in another language; without a
    template the class says its docstring. ``retry_after``: seconds that the other side asks to be left alone.
    """

    permanent: bool = True
    retry_after: float = 0.0

    def __init__(self, template: str | None = None, /, *, permanent: bool | None = None, **facts: object) -> None:
        if permanent is not None:
            self.permanent = permanent
        self.words = Words(template or type(self).__doc__ or "", **facts)
        super().__init__(str(self.words))


class BadConfiguration(CrmServiceError):
    """The configuration can't be used as it stands (exit code 78)."""


class BadValue(CrmServiceError, ValueError):
    """A value is not what its place asks for; the words say what is wrong with it (``is no number``)."""


class TryLater(CrmServiceError):
    """Something outside is not available now; the same call may work later (exit code 75)."""

    permanent = False
