"""What the readers of several files say in the same words."""

from __future__ import annotations

from collections.abc import Iterable

from crmservice.config.parse import nearest
from crmservice.words import Words, system_words

MISSING = Words("is missing")
AT_THIS_LINE = Words("mend it at this line")
CHECK_OWNER = Words("check its owner and mode")
OTHER_SECRET = Words("set or make it for the service's own account, or name another")
UNKNOWN_KEY = Words("is no known key and is ignored")
SEE_DOCUMENTATION = Words("see docs/configuration.md")


def unreadable(error: OSError) -> Words:
    """A file or folder that the system refuses."""
    return Words("can't be read: {why}", why=system_words(error))


def unknown_key(key: str, known: Iterable[str]) -> tuple[Words, Words]:
    """A key that is ignored: the message, and the advice."""
    guess = nearest(key, known)
    advice = Words("did you mean {guess}?", guess=guess) if guess else Words("remove it")
    return UNKNOWN_KEY, advice
