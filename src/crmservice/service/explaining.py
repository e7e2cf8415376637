"""Explaining a mail: the road of a message without its last step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from crmservice.config import Box
from crmservice.pipeline.explained import explained
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains mails for one box. ``same_bytes`` gives the inbox rows with a checksum: they don't count."""

    pipeline: Pipeline
    box: Box
    same_bytes: Callable[[str], list[int]] = lambda _sha256: []

    def explain(self, raw: bytes, now: datetime) -> dict[str, Any]:
        """The object of SPEC chapter 14 for one mail (without its file's name)."""
        checksum = sha256(raw).hexdigest()
        row = Waiting(0, self.box.name, "", checksum, now)
        case, decision = self.pipeline.decide_alone(
            self.box, row, self.pipeline.read(raw, self.box), never=self.same_bytes(checksum)
        )
        return explained(case, decision)
