"""What the words and codes of a bounce mean: for good or for now, and whether the address itself is dead.

Codes: RFC 3463 (``5.1.1``) and RFC 5321 section 4.2 (``550``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

DEAD = frozenset(("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.1"))
"""Statuses that say that the address is dead (SPEC chapter 4, rule 8)."""

# Not a part of an IP address or a version of four numbers.
_ENHANCED = r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)"
_STATUS = re.compile(_ENHANCED, re.ASCII)
# First a code that stands where codes stand: after the reply of three digits, "#" or "status".
_CODED = re.compile(r"(?:(?<!\d)[245]\d\d[\s:,'\"-]{1,4}#?|#|status[\s:=]{1,3})" + _ENHANCED, re.ASCII | re.IGNORECASE)
_REPLY = re.compile(
    r"(?:^[ \t]{0,40}|said:|\]:|reason:|code ?:|responsecode|<<<|\[|was:|error:|smtp;|responded:|:)\s{0,4}([45])\d\d(?=[ \t\n:,\]-])",
    re.ASCII | re.IGNORECASE | re.MULTILINE,
)
_UNKNOWN = re.compile(
    r"\b(?:user|recipient|mailbox|address|account|domain|host|person)(?: name)?"
    r"(?: (?:is|was|has|could|can)(?: ?n[o']t| been)?(?: be)?)? ?"
    r"(?:unknown|not (?:be )?(?:found|recognized|exist|exists|known|registered|here)|found|removed)\b"
    r"|\b(?:unknown|no such|invalid|bad|unrecognized) (?:local )?(?:final delivery )?"
    r"(?:user|userid|recipient|mailbox|address|account|domain|host|destination)"
    r"|\bdo(?:es)?(?: not|n't) (?:exist|have an? \S{1,100} account)"
    r"|\b(?:no mailbox|mailbox unavailable|55\d unknown)\b|no longer (?:on server|valid|available)|couldn't find any host|account (?:is|has been) disabled"
    r"|\baccount has been (?:disabled|discontinued)|\bunroute?able|\bnot listed in\b|\bneexistuj|\bnezn[aá]m",
    re.IGNORECASE,
)
_ALIVE = re.compile(
    r"\bfull\b|quota|exceeds|too (?:large|big|many)|spam|polic|block|black ?list|denied|reject(?:ed)? as|virus|reputation"
    r"|authenticat|sender\b[^\n]{0,40}(?:reject|denied|not allowed)|may (?:not|be)\b|možná|pravděpodobně|possibly|expired|timed? ?out|\bplná|překročen",
    re.IGNORECASE,
)


class Status(NamedTuple):
    """A status: its class (``"5"`` for good, ``"4"`` for now, ``"2"``, or empty) and the full code or empty."""

    rank: str = ""
    code: str = ""

    @property
    def temporary(self) -> bool:
        """Whether the mail may get there later, or was given up for a reason that may pass."""
        return self.rank == "4"

    @property
    def dead(self) -> bool:
        """Whether it says that the address itself is dead: a full code of rule 8's list, never words."""
        return self.code in DEAD


def of_field(value: str) -> Status:
    """The status of a ``Status`` field (RFC 3464 section 2.3.4; comments behind it are ignored)."""
    found = _STATUS.match(value.strip())
    return Status(found[1], _code(found)) if found else Status()


def of_text(text: str) -> Status:
    """The first status in words of a mail server: ``550 5.1.1 unknown user``, ``(#5.4.4)``, else ``550``."""
    found = _CODED.search(text) or _STATUS.search(text)
    if found and found[1] != "2":
        return Status(found[1], _code(found))
    reply = _REPLY.search(text)
    return Status(reply[1]) if reply else Status()


def _code(found: re.Match[str]) -> str:
    return ".".join(str(int(number)) for number in found.groups())


def says_unknown(text: str) -> bool:
    """Whether the words name an unknown user or host, and neither a full box nor a policy."""
    text = text[:2000]
    return bool(_UNKNOWN.search(text)) and not says_alive(text)


def says_alive(text: str) -> bool:
    """Whether the words name a full box, a size, a policy: nothing that makes the address dead."""
    return bool(_ALIVE.search(text[:2000]))
