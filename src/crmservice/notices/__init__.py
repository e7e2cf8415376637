"""What an administrator must know: noted where it happens, sent later, throttled (SPEC chapter 10)."""

from __future__ import annotations

from crmservice.errors import TryLater


def note(kind: str, box: str = "", about: str = "", **facts: object) -> bool:
    """Note something for ``errorTo``; never raises, never waits for a mail server.

    ``kind`` is a code, ``about`` the matter it is about (more of the same is counted, not repeated),
    ``facts`` small and plain: they are shown, so no secret and no mail's body. False where the database is away: the
    log has it then.
    """
    from crmservice.store import notices

    try:
        notices.note(kind, box, about, facts)
    except TryLater:
        return False
    return True
