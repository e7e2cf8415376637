"""What became of a message, read and written as plain JSON: so that a verdict can be replaced and given back."""

from __future__ import annotations

import json
from typing import Any

from django.db import models as django_models

from crmservice.store import bulk, texts
from crmservice.store.changes import State
from crmservice.store.models import Message

DECIDED = (
    "verdict", "log", "trail", "direction", "sender", "sender_verified", "subject", "sent", "key", "body_digest",
    "message_id_digest", "first_id", "stored_sha256",
)  # fmt: skip
"""The columns that a decision sets."""

SAID = ("verdict", "log", "trail")
"""Those that say what became of the message."""


def read(message: int) -> State:
    """The decided columns of a message; digests in hexadecimal. Raises LookupError where there is no such message."""
    row = Message.objects.filter(pk=message).values(*DECIDED).first()
    if row is None:
        raise LookupError(message)
    plain = {
        name: bytes(value).hex() if isinstance(value, bytes | memoryview) else value for name, value in row.items()
    }
    return json.loads(texts.compact(plain))  # type: ignore[no-any-return]


def write(message: int, columns: State) -> None:
    """Give a message these columns."""
    values = [_value(name, value) for name, value in columns.items()]
    bulk.update(Message, *columns).run([[*values, message]])


def _value(name: str, plain: Any) -> Any:
    field = bulk.field_of(Message, name)
    if isinstance(field, django_models.BinaryField):
        return None if plain is None else bytes.fromhex(plain)
    return bulk.aware(plain) if isinstance(field, django_models.DateTimeField) else plain
