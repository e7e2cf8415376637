"""A batch equals its messages one after another, in every division into batches (in memory)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crmservice.testing.builders import Office
from tests.pipeline.mailboxes import mailboxes, settings_of_boxes


@given(mails=mailboxes, cut=st.integers(1, 8), fields=settings_of_boxes)
def test_a_batch_equals_its_messages_one_after_another(mails: list[bytes], cut: int, fields: dict[str, Any]) -> None:
    alone, together, divided = Office(**fields), Office(**fields), Office(**fields)
    alone.receive(*mails)
    together.receive_together(*mails)
    for part in filter(None, (mails[:cut], mails[cut:])):
        divided.receive_together(*part)
    assert together.logs == alone.logs == divided.logs
    assert together.filed == alone.filed == divided.filed
    assert [d.intents for d in together.decisions] == [d.intents for d in alone.decisions]
    assert together.gateway.directory == alone.gateway.directory == divided.gateway.directory
