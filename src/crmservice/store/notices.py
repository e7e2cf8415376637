"""Notices that wait to be sent: one row for each kind, box and matter (SPEC chapter 10)."""

from __future__ import annotations

from collections.abc import Mapping

from crmservice.crm.ids import new_id
from crmservice.store import bulk, texts
from crmservice.store.database import writing
from crmservice.store.models import Notice

LONGEST_ABOUT = 500


def note(kind: str, box: str, about: str, facts: Mapping[str, object]) -> None:
    """Add a notice, or count it where the same one waits already. Raises DatabaseUnavailable."""
    said = texts.storable(texts.compact({name: str(value) for name, value in facts.items()}))
    matter = texts.storable(about)[:LONGEST_ABOUT]
    now = bulk.now()
    waits = Notice.objects.filter(kind=kind, box=box, about=matter, state="waiting")
    with writing():
        row = waits.values_list("id", "count").first()
        if row is None:
            Notice.objects.create(id=new_id(), kind=kind, box=box, about=matter, facts=said, first=now, last=now)
        else:
            Notice.objects.filter(id=row[0]).update(count=row[1] + 1, last=now, facts=said)
