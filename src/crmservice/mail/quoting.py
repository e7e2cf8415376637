"""What is new in a mail and what is quoted history, so that a page can fold the history.

Nothing is thrown away here: the whole text is kept, this only says which part is fresh. In doubt everything is:
an answer must never be hidden. Own code because the libraries that do this take quadratic time on hostile text
(10,000 blank lines cost ``mail-parser-reply`` 4 s) and know neither Seznam's nor the Czech Gmail's forms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from crmservice.mail.quoted_headers import Blocks
from crmservice.mail.text import fold

MAX_TEXT = 1_000_000
"""Characters; a longer text is not looked through, so all of it is fresh."""

MAX_ATTRIBUTION = 400
"""Characters of "On …, Jan Novák wrote:" at most, over at most four lines."""


@dataclass(frozen=True, slots=True)
class _Head:
    """Lines that announce history (end exclusive). ``sure``: also where the history bears no ``>``."""

    start: int
    end: int
    sure: bool
    forward: bool = False


def fresh_part(text: str) -> str:
    """The text without quoted history; the text itself if there is none, or if it is not sure what is new.

    Empty only for a forwarded mail without a word of one's own. Linear in the length of the text.
    """
    if len(text) > MAX_TEXT:
        return text
    if not _HISTORY_BEGINS.search(f"\n{text}") and not _COLON_ENDS_LINE.search(text):
        return text
    lines = text.split("\n")
    heads, cut = _heads(lines)
    skipped = {at for head in heads for at in range(head.start, head.end)}
    kept = [lines[at] for at in range(cut) if at not in skipped and not _is_quoted(lines, at)]
    if len(kept) == len(lines):
        return text
    fresh = "\n".join(kept).strip()
    if not fresh:
        return "" if any(head.forward for head in heads) else text
    return text if cut < len(lines) and _points_below(fresh) else fresh


# Cheap tests that ordinary mail without history fails: a quote sign, a rule or a header begins a line, "wrote:" ends
# one. Each pattern begins with one certain character, which makes the search several times faster.
_HISTORY_BEGINS = re.compile(r"\n[^\S\n]*(?:>|[-_=*]{2}|\*?[^\W\d_][\w \-*]{1,20}:)")
_COLON_ENDS_LINE = re.compile(r":[^\S\n]*(?:\n|\Z)")


def _heads(lines: Sequence[str]) -> tuple[list[_Head], int]:
    """The announcements of history, and the first line of history that bears no quote signs."""
    heads: list[_Head] = []
    blocks = Blocks(lines)
    at = 0
    while at < len(lines):
        head = _head(lines, blocks, at)
        if head is None:
            at += 1
            continue
        marked = _is_quoted(lines, _next_line(lines, head.end))
        if marked or head.sure:
            heads.append(head)
        if head.sure and not marked:
            return heads, head.start
        at = head.end
    return heads, len(lines)


def _head(lines: Sequence[str], blocks: Blocks, at: int) -> _Head | None:
    stripped = lines[at].strip()
    if stripped[:1] == ">":
        return None
    if block := blocks.at(at):
        return _Head(_rule_above(lines, at), block.end, sure=True)
    if stripped.endswith(":"):
        return _announcement(stripped, at) or _attribution(lines, at)
    return _separator(lines, blocks, stripped, at) if stripped[:1] in ("-", "_", "=", "*") else None


def _next_line(lines: Sequence[str], at: int) -> int:
    """The next line that is not blank; one looks no further than three."""
    for i in range(at, min(at + 3, len(lines))):
        if lines[i].strip():
            return i
    return at


def _is_quoted(lines: Sequence[str], at: int) -> bool:
    """Whether the line is quoted with ``>``. A single ">From " is text that a mailbox file escaped (RFC 4155)."""
    if at >= len(lines) or lines[at].lstrip()[:1] != ">":
        return False
    around = [lines[i].lstrip()[:1] for i in (at - 1, at + 1) if 0 <= i < len(lines)]
    return not (lines[at].startswith(">From ") and ">" not in around)


def _rule_above(lines: Sequence[str], at: int) -> int:
    """Outlook draws a line of underscores above its block."""
    for i in range(at - 1, max(at - 4, -1), -1):
        line = lines[i].strip()
        if len(line) >= 5 and not line.strip("_-="):
            return i
        if line:
            return at
    return at


# "-----Původní zpráva-----" and its like, folded; the second tuple are forwards and nothing else.
_REPLIED = (
    "original message", "original e-mail", "original email", "original mail", "puvodni zprava", "puvodni e-mail",
    "puvodni email", "puvodni mail", "puvodna sprava", "odpovezena zprava", "ursprungliche nachricht",
    "originalnachricht", "original-nachricht", "reply message", "message d'origine", "messaggio originale",
)  # fmt: skip
_FORWARDED = (
    "forwarded message", "forwarded e-mail", "preposlana zprava", "preposlany e-mail", "predana zprava",
    "preposlana sprava", "weitergeleitete nachricht", "message transfere", "messaggio inoltrato",
)  # fmt: skip
_ANNOUNCED = ("begin forwarded message:", "zacatek preposilane zpravy:", "zacatek preposlane zpravy:")


def _separator(lines: Sequence[str], blocks: Blocks, line: str, at: int) -> _Head | None:
    if len(line) > 100:
        return None
    words = fold(line.replace("\u2011", "-").strip("-_=* \t"))
    if words not in _REPLIED and words not in _FORWARDED:
        return None
    # The header block below belongs to it, whether it is whole or not ("Dne: …, od: …").
    first = _next_line(lines, at + 1)
    block = blocks.announced(first) if first < len(lines) and not _is_quoted(lines, first) else None
    return _Head(at, block.end if block else at + 1, sure=True, forward=words in _FORWARDED)


def _announcement(line: str, at: int) -> _Head | None:
    known = len(line) < 60 and _folded(line) in _ANNOUNCED
    return _Head(at, at + 1, sure=True, forward=True) if known else None


_WROTE = ("wrote", "napsal(a)", "napsal/a", "napsala", "napsal", "napisal(a)", "napisal", "pise", "schrieb", "a ecrit",
          "ha scritto", "escribio", "odpovedel", "odpovedela", "schreef")  # fmt: skip
_OPENING = re.compile(
    r"(?:on|dne|dna|am|le|el|il|op|den|dnia|(?:po|ut|st|ct|pa|so|ne|pondeli|utery|streda|stredu|ctvrtek|patek|sobota|"
    r"sobotu|nedele|nedeli|mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so)\w{0,6}[.,]?) .{0,20}?\d"
    r"|\d{1,2}[./-] ?\d{1,2}[./-] ?\d{2,4}|\d{4}-\d\d-\d\d|\d{1,2}\.? \w{3,9} \d{4}"
)


_DIGIT = re.compile(r"\d")
_TIME = re.compile(r"\d:\d\d")

# A line is looked at from itself and the three below it.
_folded = lru_cache(maxsize=8)(fold)


def _attribution(lines: Sequence[str], at: int) -> _Head | None:
    """The line that ends at ``at``: "Dne 2. 3. 2026 v 10:00 Jan Novák napsal(a):"; clients wrap it."""
    end = _folded(lines[at][-60:]).removesuffix(":").rstrip()
    wrote = end.endswith(_WROTE) or "schrieb" in end
    if not wrote and not end.endswith(">") and "@" not in end:
        return None
    text, top = "", max(at - 3, 0)
    dated = _DIGIT.search("\n".join(lines[top : at + 1]))  # no other line opens one; the loop is dear
    for start in range(at, top - 1, -1) if dated else ():
        first = lines[start].lstrip()[:1]
        if not first or (first == ">" and _is_quoted(lines, start)) or len(text) > MAX_ATTRIBUTION:
            break
        text = f"{_folded(lines[start][:MAX_ATTRIBUTION])} {text}"
        if (wrote or "@" in text) and _OPENING.match(text):
            # "Dne 5. 3. volal pan Novák a napsal:" opens a sentence; a client names the address or the time.
            return _Head(start, at + 1, sure="@" in text or _TIME.search(text) is not None)
    return _Head(at, at + 1, sure=False) if wrote or "@" in end else None


_BELOW = (
    "viz nize", "nize v textu", "v textu nize", "primo v textu", "odpovedi v textu", "odpovidam v textu",
    "odpovidam nize", "odpovedi nize", "cervene", "barevne", "see below", "answers below", "comments below",
    "reply below", "replies below", "inline", "in-line", "in red", "in blue", "between the lines",
)  # fmt: skip


def _points_below(fresh: str) -> bool:
    """Whether the writer says that his answers stand inside the history that bears no quote signs."""
    words = fold(fresh[:2_000])
    return any(phrase in words for phrase in _BELOW)
