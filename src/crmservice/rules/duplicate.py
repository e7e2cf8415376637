"""15.1  The same mail comes once for every colleague whose mail is forwarded; it counts once.

An earlier message has the same key (Date in whole seconds, sender, recipients as a set, subject), and both
Message-IDs are equal or the bodies are. Without a usable Date the bodies must be equal.
"""

from __future__ import annotations

from crmservice.crm.records import Seen
from crmservice.mail.message import Identity
from crmservice.pipeline.people import delivered_users
from crmservice.pipeline.rule import Answer, Case, not_mine, only_for, stop


def duplicate(case: Case) -> Answer:
    """Stop a repeated message, or go on for the users whom only this copy names (rules=safe)."""
    identity = case.reading.identity
    same_key = case.directory.seen.get(identity.key, ())
    same = [earlier for earlier in same_key if _is_same(identity, earlier)]
    if not same:
        return not_mine("key-collision" if same_key else "key-unknown")
    first = min(earlier.message for earlier in same)
    new = _new_users(case, same)
    if new:
        return only_for(new, first, "new-recipient", "DUPLICATE KEY", first=str(first))
    return stop("DUPLICATE KEY", "DELETED", because="same-key", repeats=first, first=str(first))


def _is_same(identity: Identity, earlier: Seen) -> bool:
    same_body = identity.body == earlier.body
    if not identity.dated:
        return same_body
    return same_body or (identity.message_id != b"" and identity.message_id == earlier.message_id)


def _new_users(case: Case, same: list[Seen]) -> frozenset[int]:
    had = frozenset[int]().union(*(earlier.users for earlier in same))
    users = (case.forwarder,) if case.forwarder else delivered_users(case)
    return frozenset(user.id for user in users) - had
