"""Folding of texts for comparison, and making them safe for one line of display."""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def fold(text: str) -> str:
    """The text as words are compared (SPEC chapter 4): without case, diacritics and Unicode forms.

    NFKC, casefold, marks (Mn, Mc, Me) and format characters (Cf) dropped, any run of whitespace one space
    and none at the ends. Idempotent, linear.
    """
    if not text.isascii():
        text = _plain(text)
    return " ".join(text.lower().split())


def _plain(text: str) -> str:
    """Case, diacritics and format characters taken off a text that is not ASCII (Unicode 3.13, UAX 15)."""
    kept = "".join(map(_KEPT.__getitem__, text))
    return kept if kept.isascii() else unicodedata.normalize("NFC", kept)


class _Kept(dict[str, str]):
    """What is left of each character, filled as characters are met.

    Character by character, because sorting a run of marks (NFKD of a whole text) is quadratic: 1 MB of
    them takes minutes. Marks are dropped, so their order does not matter.
    """

    def __missing__(self, character: str) -> str:
        # Twice, because casefolding can open new compatibility forms (U+03F4).
        self[character] = kept = _strip(_strip(character))
        return kept


_DROPPED = frozenset(("Mn", "Mc", "Me", "Cf"))


def _strip(text: str) -> str:
    kept = (c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in _DROPPED)
    return "".join(kept).casefold()


_KEPT = _Kept()


def strip_controls(text: str) -> str:
    """A header value for one line: each control character and line separator becomes U+FFFD."""
    return text if text.isascii() and text.isprintable() else _CONTROLS.sub("\ufffd", text)
