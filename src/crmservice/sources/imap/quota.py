"""How full a mailbox is, as far as its server tells (RFC 9208, RFC 2087)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crmservice.sources import Room, quotable
from crmservice.sources.imap.bounded import SLACK_BYTES, BoundedClient


def rooms(client: BoundedClient) -> list[Room]:
    """Each limit that holds for the mailbox; none where the server tells none."""
    if not client.has_capability("QUOTA"):
        return []
    client.bounded.allow(SLACK_BYTES)
    _roots, quotas = client.get_quota_root("INBOX")
    return [room for quota in quotas for room in _room(quota)]


def _room(quota: Any) -> Iterator[Room]:
    """What a quota says, if it says something."""
    used, limit = quota.usage, quota.limit
    if isinstance(used, int) and isinstance(limit, int) and used >= 0 and limit > 0:
        names = filter(None, (_text(quota.quota_root), _text(quota.resource)))
        yield Room(quotable(" ".join(names), ()), used, limit)


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
