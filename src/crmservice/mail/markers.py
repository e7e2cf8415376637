"""Markers in subject and body: ``Zakázka:123 Dokumentace p2`` (SPEC chapters 5 and 6, manual chapters 10 to 12).

One compiled pattern finds keyword and colon in the text as written; all that follows is read by short patterns
anchored there. Everything is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from crmservice.mail import prefixes
from crmservice.mail.keywords import Keywords
from crmservice.mail.spelling import COLON, JUNK, any_spelled, first_letters, without_astral
from crmservice.mail.text import fold

MAX_TEXT = 1_000_000
"""Characters of a text that are searched (TRUST B11); what follows is not."""

MAX_MARKERS = 1_000
"""Markers read from one mail: more is an attempt to guess numbers."""

MAX_NUMBER = 100
"""A longer run of letters and digits is no number."""

MAX_TAIL = 200

Kind = Literal["contract", "order", "task"]
_KINDS: tuple[Kind, ...] = ("contract", "order", "task")


@dataclass(frozen=True, slots=True)
class Marker:
    """A keyword with its number, as found.

    ``numbers``: what the number may be, best first: the run as written, then without its trailing ``.``, ``-``
    and ``/`` one by one. ``tail``: the rest of the line behind that run, for ``read_tail``. ``where``: ``quoted``
    is a part of the body that is not fresh.
    """

    kind: Kind
    numbers: tuple[str, ...]
    tail: str
    where: Literal["subject", "body", "quoted"]


def scan(subject: str, text: str, fresh: str, words: Keywords) -> tuple[Marker, ...]:
    """All markers of a mail, the subject's first, then the body's in their order (SPEC chapter 5).

    ``fresh`` is the part of ``text`` that is no quoted history (``quoting.fresh_part``).
    """
    markers = [
        Marker(kind, numbers, tail, "subject") for kind, numbers, tail in _find(_searchable(subject, words), words)
    ]
    markers += _body(text, fresh, words)
    return tuple(markers[:MAX_MARKERS])


def _body(text: str, fresh: str, words: Keywords) -> Iterator[Marker]:
    found = list(_find(text, words))
    new = Counter(found if fresh == text or not found else _find(fresh, words))
    for hit in found:
        # Equal markers can be told apart by nothing that matters: the first ones count as fresh.
        yield Marker(*hit, "body" if new[hit] > 0 else "quoted")
        new[hit] -= 1


def _searchable(subject: str, words: Keywords) -> str:
    """The subject behind its prefixes and the words of rules 2 and 9, whose "úkol:" is no marker."""
    rest = prefixes.strip(subject, words)[1]
    behind = prefixes.begins_with(rest, (*words.new_task, *words.problem))
    return rest if behind is None else behind


_Hit = tuple[Kind, tuple[str, ...], str]


def _find(text: str, words: Keywords) -> Iterator[_Hit]:
    text = without_astral(text[:MAX_TEXT])
    left = MAX_MARKERS
    for match in _pattern(words).finditer(text) if _COLON.search(text) else ():
        run = _NUMBER.match(text, match.end())
        numbers = _numbers(run[1]) if run else ()
        if run and numbers and not _inside_a_word(text, match.start()):
            yield _KINDS[(match.lastindex or 1) - 1], numbers, _rest_of_line(text, run.end())
            left -= 1
            if not left:
                return


_COLON = re.compile(f"[{COLON}]")


@lru_cache(maxsize=8)
def _pattern(words: Keywords) -> re.Pattern[str]:
    """Keyword and colon, what stands before being no letter or digit; the group says the kind."""
    groups = [getattr(words, kind) for kind in _KINDS]
    kinds = "|".join(f"({any_spelled(spellings)})" for spellings in groups)
    first = first_letters(spelling for spellings in groups for spelling in spellings)
    return re.compile(rf"(?={first})(?<![^\W_])(?:{kinds})[{COLON}]")


def _inside_a_word(text: str, start: int) -> bool:
    """Whether a letter or digit precedes when what folding drops is taken away ("pod\u00adzakázka:")."""
    backwards = text[max(0, start - 50) : start][::-1]
    junk = _LEADING_JUNK.match(backwards)
    return backwards[junk.end() if junk else 0 :][:1].isalnum()


_LEADING_JUNK = re.compile(rf"[{JUNK}]+")

# Behind the colon: white space, with one line end in it where a client broke the line; then the run.
_NUMBER = re.compile(rf"[^\S\r\n]*(?:\r?\n[^\S\r\n]*)?([\w{JUNK}./\uff0e\uff0f\uff0d\u2010\u2011-]+)")
_HYPHENS = str.maketrans("\u2010\u2011", "--")


def _numbers(run: str) -> tuple[str, ...]:
    """What the number may be: the run, then without each trailing full stop, hyphen and slash."""
    if len(run) > MAX_NUMBER:
        return ()
    number = run if run.isascii() else _composed(run)
    numbers = [number]
    while number[-1:] in (".", "-", "/") and len(number) > 1:
        number = number[:-1]
        numbers.append(number)
    return tuple(numbers) if any(map(str.isalnum, number)) else ()


def _composed(run: str) -> str:
    """A run that is not ASCII as a person reads it: hyphens alike, nothing invisible, full-width made narrow."""
    return _ANY_JUNK.sub("", unicodedata.normalize("NFKC", run.translate(_HYPHENS)))


_ANY_JUNK = re.compile(rf"[{JUNK}]+")


def _rest_of_line(text: str, start: int) -> str:
    return _LINE_END.split(text[start : start + MAX_TAIL], maxsplit=1)[0]


_LINE_END = re.compile(r"[\r\n]")


def read_tail(tail: str, types: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Activity type and scope that follow a number (manual chapters 11 and 12, SPEC chapters 5 and 6).

    ``types``: the name of each existing activity type by its folded name. The type is the longest run of words
    that names one; the scope ``p-`` or ``p0`` to ``p9``, right behind number or type. White space must separate
    them; the full stops, hyphens and slashes at the end of a number are dropped, so they hide nothing.
    """
    if not _ANY_JUNK.sub("", tail[:5])[:1].isspace():
        return None, None
    folded = fold(tail[:MAX_TAIL])
    name, end = _type(folded, types)
    scope = _SCOPE.match(folded, end)
    return name, scope[1] if scope else None


# "Exactly two characters": what follows is no letter or digit.
_SCOPE = re.compile(r" ?(p[0-9-])(?![^\W_])")
_WORD_ENDS = re.compile(r"(?= )|\Z")


def _type(folded: str, types: Mapping[str, str]) -> tuple[str | None, int]:
    """The longest type that ``folded`` begins with, and where it ends in ``folded``."""
    for end in reversed([match.start() for match in _WORD_ENDS.finditer(folded)]):
        words = folded[:end]
        for name in (words, words.rstrip(_PUNCTUATION)):
            if name in types and name:
                return types[name], len(name)
    return None, 0


_PUNCTUATION = ".,;:!?)]}>'\"“”‘’«»…"
