"""Sentences for people, as a template with its facts: English in logs and JSON, another language where it is shown."""

from __future__ import annotations

import gettext
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"
DOMAIN = "crmservice"

Translate = Callable[[str], str]
"""Gives a text in another language; a text that it does not know, as it is."""


class Words:
    """A sentence, or a part of one. ``str()`` is its English; ``translated`` puts each template into a language.

    ``facts`` fill the template as ``str.format`` does; one that is Words is translated with it. The template is
    a literal where it is written (``tools/translations.py`` collects it there), never what somebody else said.
    No secret is a fact.
    """

    __slots__ = ("facts", "template")

    def __init__(self, template: str, /, **facts: object) -> None:
        self.template = template
        self.facts = facts

    def translated(self, translate: Translate) -> str:
        """The sentence in the language of ``translate``."""
        facts = {name: _shown(fact, translate) for name, fact in self.facts.items()}
        template = translate(self.template)
        return template.format(**facts) if facts else template

    def __str__(self) -> str:
        return self.translated(str)

    def __repr__(self) -> str:
        return f"Words({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and (self.template, self.facts) == (other.template, other.facts)

    def __hash__(self) -> int:
        return hash(self.template)


class _Text(str):
    """A text whose ``{fact!r}`` is for people: in quotes, on one line, and a Windows path with its backslashes as they are."""

    __slots__ = ()

    def __repr__(self) -> str:
        quote = '"' if "'" in self and '"' not in self else "'"
        seen = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in self)
        return f"{quote}{''.join(seen)}{quote}"


def _shown(fact: object, translate: Translate) -> object:
    if isinstance(fact, Words):
        return fact.translated(translate)
    return _Text(fact) if type(fact) is str else fact


def joined(separator: str, parts: Iterable[object]) -> Words:
    """Parts beside each other, ``": "`` or a new line between them; Words among them stay translatable.

    None and an empty text are left out.
    """
    facts = {f"part{n}": part for n, part in enumerate(parts) if part is not None and part != ""}
    return Words(separator.join(f"{{{name}}}" for name in facts), **facts)


def library_words(text: str) -> Words:
    """What the system or a library says (``no such file or directory``), for a fact: never used as a template.

    It is translated where ``cli/library_words.py`` lists it, and shown as it is elsewhere.
    """
    return Words(text)


def system_words(error: OSError) -> Words:
    """What the system says of a failure: strerror(3)."""
    return library_words(error.strerror or str(error))


def packed(fact: object) -> object:
    """A fact as plain JSON: Words keep their template and facts, numbers are numbers, anything else becomes a text."""
    if isinstance(fact, Words):
        return {"template": fact.template, "facts": {name: packed(one) for name, one in fact.facts.items()}}
    return fact if isinstance(fact, int | float) else str(fact)


def unpacked(plain: object) -> object:
    """What ``packed`` made, read from JSON again: Words, a number or a text."""
    if isinstance(plain, dict) and isinstance(plain.get("template"), str) and isinstance(plain.get("facts"), dict):
        return Words(plain["template"], **{name: unpacked(fact) for name, fact in plain["facts"].items()})
    return plain if isinstance(plain, int | float) else str(plain)


@cache
def in_language(language: str) -> Translate:
    """Gives texts in this language (``cs``); English for one that has no catalogue."""
    return gettext.translation(DOMAIN, LOCALE, [language], fallback=True).gettext
