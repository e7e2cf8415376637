"""The list of a message's attachments, which goes with the last of its activities; the bytes stay in the backup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crmservice.store import bulk
from crmservice.store.models import Attachment

_NAMES = ("part", "name", "content_type", "size", "sha256")


def left_alone(message: int) -> bool:
    """Whether a message lists attachments though no activity shows them."""
    sql = (
        "SELECT 1 FROM crm_attachment WHERE message_id = %s"
        " AND NOT EXISTS (SELECT 1 FROM crm_activity WHERE message_id = %s) LIMIT 1"
    )
    return bool(bulk.query(sql, [message, message]))


def take_out(message: int) -> list[list[Any]]:
    """Drop the list; returns it."""
    rows = Attachment.objects.filter(message=message).order_by("part").values_list(*_NAMES)
    listed = [list(row) for row in rows]
    bulk.execute("DELETE FROM crm_attachment WHERE message_id = %s", [message])
    return listed


def put_back(message: int, listed: Sequence[Sequence[Any]]) -> int:
    """List these again; returns how many."""
    insert = bulk.insert(Attachment, "message_id", *_NAMES, conflict="DO NOTHING")
    insert.run([(message, *row) for row in listed])
    return len(listed)
