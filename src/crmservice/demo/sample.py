"""Sample: a mail with what it shows and what must become of it."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from crmservice.demo.letter import Letter, write

CRM = "crm"
"""The box with ``rules=safe``, as ``crmservice init`` writes it."""

CLASSIC = "classic"
"""The box with ``rules=manual``: it behaves as the original did."""

PROCESSED = ("PROCESSED",)


class Says(NamedTuple):
    """A sentence in the languages of the pages."""

    en: str
    cs: str

    def of(self, language: str) -> str:
        """The sentence in Czech for ``cs``, else in English."""
        return self.cs if language == "cs" else self.en


class Sample(NamedTuple):
    """A mail of the demo.

    ``box``: the name of its technology box. ``shows``: one sentence. ``log``: the log words expected.
    ``rule``: the name of the rule (SPEC chapter 4) that it is about: it must have matched.
    """

    name: str
    box: str
    raw: bytes
    shows: Says
    log: tuple[str, ...]
    rule: str


class Post(NamedTuple):
    """What the mails depend on: the first day (a Monday) and the secret of our own notices."""

    start: date
    notice_key: bytes

    def sample(
        self,
        letter: Letter,
        shows: tuple[str, str],
        log: tuple[str, ...] = PROCESSED,
        rule: str = "incoming",
        box: str = CRM,
    ) -> Sample:
        """A sample of a written letter."""
        return Sample(letter.slug, box, write(letter, self.start), Says(*shows), log, rule)
