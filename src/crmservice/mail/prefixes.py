"""Prefixes of subjects: ``Re:``, ``Fwd:``, ``Odp:``, ``RE[2]:`` and how a subject begins (manual 13, 15.2, 15.5 to 15.8).

All comparison is that of SPEC chapter 4: without case, diacritics and Unicode forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from crmservice.mail.keywords import Keywords
from crmservice.mail.spelling import COLON, JUNK, any_spelled, without_astral
from crmservice.mail.text import fold

MAX_PREFIXES = 50
"""More of them in one subject are no prefixes but a fault."""

SENT_ON = ("Re:", "Fwd:", "FW:")
"""Subjects that the manual's 15.7 sends on, whatever ``ignoreSubject`` says (rule 6)."""

_BLANK = rf"[\s{JUNK}]*+"


def strip(subject: str, words: Keywords) -> tuple[tuple[str, ...], str]:
    """The reply and forward prefixes of a subject as written, outermost first, and what follows them."""
    found = list(_prefixes(subject, words))
    rest = subject[found[-1].end() :] if found else subject
    return tuple(match["prefix"] for match in found), rest.strip()


def is_reply(subject: str, words: Keywords) -> bool:
    """Whether the outermost prefix is one of a reply."""
    first = next(_prefixes(subject, words), None)
    return first is not None and first["reply"] is not None


def is_forward(subject: str, words: Keywords) -> bool:
    """Whether the outermost prefix is one of a forwarded mail ("Fwd: Re: …" is, "Re: Fwd: …" is not)."""
    first = next(_prefixes(subject, words), None)
    return first is not None and first["reply"] is None


def behind_forwards(subject: str, words: Keywords) -> str | None:
    """The subject behind its prefixes, all of them of forwards; None if one is of a reply (rule 9)."""
    found = list(_prefixes(subject, words))
    if any(match["reply"] is not None for match in found):
        return None
    return (subject[found[-1].end() :] if found else subject).strip()


def begins_with(subject: str, spellings: Iterable[str]) -> str | None:
    """What follows the first of ``spellings`` that the subject begins with (the longest), else None.

    A spelling that ends in a letter or digit must end a word: "Info o" does not begin "Info obchod".
    """
    words = tuple(spellings)
    if not _start(subject).startswith(_folded(words)):
        return None
    match = _beginning(words).match(without_astral(subject))
    return subject[match.end() :].strip() if match else None


# The patterns are large and cost a tenth of a second to compile, which a mail that has none of these words need not pay.

_START = 1_000


@lru_cache(maxsize=8)
def _start(subject: str) -> str:
    return fold(subject[:_START])


@lru_cache(maxsize=64)
def _folded(spellings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(folded for folded in map(fold, spellings) if folded)


def _may_be_prefixed(subject: str, words: Keywords) -> bool:
    """Whether what stands before the first colon reads as a prefix, its count taken off."""
    head, colon, _ = _start(subject).partition(":")
    return colon != "" and head.rstrip("0123456789[]()^ ") in _names(words)


@lru_cache(maxsize=8)
def _names(words: Keywords) -> frozenset[str]:
    return frozenset(map(fold, (*words.reply, *words.forward)))


def is_exactly(subject: str, spellings: Iterable[str], words: Keywords) -> bool:
    """Whether the subject, less prefixes and the punctuation around it, is one of ``spellings`` (rule 7)."""
    rest = fold(strip(_bare(strip(subject, words)[1]), words)[1])
    return _bare(rest) in {_bare(fold(spelling)) for spelling in spellings} - {""}


def _bare(text: str) -> str:
    """The text from its first letter or digit to its last one."""
    return _without_edge(_without_edge(text)[::-1])[::-1]


def _without_edge(text: str) -> str:
    """The text from its first letter or digit on: a pattern for the end would be tried at every character."""
    edge = _EDGE.match(text)
    return text[edge.end() :] if edge else text


_EDGE = re.compile(r"[\W_]+")


def _prefixes(subject: str, words: Keywords) -> Iterator[re.Match[str]]:
    if not _may_be_prefixed(subject, words):
        return
    pattern, plain, at = _prefix(words), without_astral(subject), 0
    for _ in range(MAX_PREFIXES):
        match = pattern.match(plain, at)
        if not match:
            return
        yield match
        at = match.end()


@lru_cache(maxsize=8)
def _prefix(words: Keywords) -> re.Pattern[str]:
    # Lotus and Outlook count: Re[2]:, Re(2):, RE2:, Re^2:. French typography puts a space before the colon.
    count = rf"(?:[\[(^]?[0-9]{{1,3}}[\])]?[{JUNK}]*+)?"
    kinds = f"(?P<reply>{any_spelled(words.reply)})|(?:{any_spelled(words.forward)})"
    return re.compile(rf"{_BLANK}(?P<prefix>(?:{kinds}){count}\s?[{COLON}]){_BLANK}")


@lru_cache(maxsize=64)
def _beginning(spellings: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"{_BLANK}{any_spelled(spellings)}(?:(?<![^\W_])|(?![^\W_]))")
