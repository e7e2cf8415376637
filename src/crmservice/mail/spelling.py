"""Patterns that find words however they are spelled: case, diacritics, Unicode forms, invisible characters.

``text.fold`` says when two texts are the same words. Folding a whole mail moves every offset and costs more than
looking for the few words, so a word becomes a pattern over the text as it is written: each letter a class of all
characters that fold to it, each followed by any marks and format characters. No repetition is nested in another,
no two neighbours can match the same character, and none gives back what it took, so a search is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from unicodedata import normalize

from crmservice.mail.text import fold

# Combining marks and format characters (Unicode categories Mn, Me, Cf) that occur in European mail.
JUNK = (
    "\u0300-\u036f\u00ad\u034f\u061c\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20d0-\u20f0\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\ufff9-\ufffb"
)
"""Body of a character class: what folding drops."""

COLON = ":\ufe13\ufe55\uff1a"
"""Body of a character class: what NFKC makes a colon."""

# Blocks that hold characters which fold to Latin, Greek or Cyrillic letters, digits and signs.
_BLOCKS = (
    (0x21, 0x590),
    (0x1D00, 0x2000),
    (0x2070, 0x2190),
    (0x2460, 0x24F0),
    (0xFB00, 0xFB07),
    (0xFE10, 0xFE70),
    (0xFF01, 0xFF5F),
)


@cache
def _spellings() -> dict[str, str]:
    """The characters that fold to each text of one or two characters (two: ligatures and the German ß)."""
    found: dict[str, str] = {}
    for start, end in _BLOCKS:
        for code in range(start, end):
            folded = fold(chr(code))
            if 1 <= len(folded) <= 2:
                found[folded] = found.get(folded, "") + chr(code)
    return found


def _class(characters: str) -> str:
    return "[" + re.escape(characters) + "]"


def _letter(folded: str) -> str:
    """A character class of everything that folds to ``folded``, one or two characters long."""
    return _class(_spellings().get(folded, folded)) + f"[{JUNK}]*+"


def _letters(word: str) -> str:
    pattern, at = "", 0
    while at < len(word):
        pair = word[at : at + 2]
        if len(pair) == 2 and pair in _spellings():
            pattern += f"(?:{_letter(pair[0])}{_letter(pair[1])}|{_letter(pair)})"
            at += 2
        else:
            pattern += _letter(word[at])
            at += 1
    return pattern


@cache
def spelled(words: str) -> str:
    """A pattern (source text) that matches ``words`` in every spelling that folds to them.

    The letter before has taken the marks, so what parts two words begins with white space.
    """
    return rf"\s[\s{JUNK}]*+".join(_letters(word) for word in fold(words).split(" "))


def any_spelled(spellings: Iterable[str]) -> str:
    """A pattern (source text) for any of ``spellings``, the longest first; nothing at all matches no spelling."""
    folded = sorted({fold(words) for words in spellings} - {""}, key=lambda words: (-len(words), words))
    return "(?:" + "|".join(spelled(words) for words in folded) + ")" if folded else r"(?!)"


def first_letters(spellings: Iterable[str]) -> str:
    """A character class (source text) of the characters that any of ``spellings`` can begin with: one cheap test."""
    begin = {fold(words)[:1] for words in spellings} | {fold(words)[:2] for words in spellings}
    return _class("".join(sorted({c for part in begin - {""} for c in _spellings().get(part, part[:1])})))


# Letters and digits of mathematical type ("bold" subjects); characters beyond U+FFFF would make every class slow.
_ASTRAL = re.compile("[\U0001d400-\U0001d7ff]")
_MATHEMATICAL = {code: plain for code in range(0x1D400, 0x1D800) if len(plain := normalize("NFKC", chr(code))) == 1}


def without_astral(text: str) -> str:
    """The text with mathematical letters and digits made plain ones; its length stays."""
    return text.translate(_MATHEMATICAL) if not text.isascii() and _ASTRAL.search(text) else text
