"""The words the service knows, Czech and English, in one table.

A deployment adds spellings of its own in crmservice.toml (``[keywords]``, the same names). Words are
compared folded: case, diacritics and Unicode forms do not count (SPEC chapter 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Keywords:
    """Each field is a tuple of spellings; its name is the key in crmservice.toml."""

    # Markers (manual 10): what stands before the colon.
    contract: tuple[str, ...] = ("contract", "project", "zakázka", "zak", "projekt")
    order: tuple[str, ...] = ("order", "objednávka", "obj")
    task: tuple[str, ...] = ("task", "úkol")
    # Rule 2 (manual 15.2): how the subject begins, and what the table rows are headed.
    problem: tuple[str, ...] = (
        "Description Problem No.", "Commentary Problem No.", "Status Problem No.", "New Issue No.", "Problem No.",
        "Popis Problém č.", "Komentář Problém č.", "Stav Problém č.", "Nový problém č.", "Problém č.",
    )  # fmt: skip
    problem_contract: tuple[str, ...] = ("Contract", "Zakázka")
    problem_status: tuple[str, ...] = ("Status", "Stav")
    problem_subject: tuple[str, ...] = ("Subject", "Předmět")
    # Rule 5 (manual 15.5).
    info_about: tuple[str, ...] = ("Info about", "Info o")
    details: tuple[str, ...] = ("details",)
    automatic: tuple[str, ...] = ("This is an automatically generated e-mail", "Toto je automaticky generovaný e-mail")
    # Rule 9 (manual 15.6).
    new_task: tuple[str, ...] = ("New task:", "Nový úkol:")
    # Rule 7 (manual 13).
    opt_out: tuple[str, ...] = ("do not send", "I do not want", "neposílat", "nechci")
    # Subject prefixes of replies and forwards, without the colon (manual 15.7). One table for all languages: a
    # German "WG:" must not mean anything else than "Fwd:". VS is Finnish for a reply, Norwegian for a forward.
    reply: tuple[str, ...] = (
        "Re", "Odp", "Odpověď", "AW", "Antwort", "SV", "VS", "Antw", "RES", "RIF", "R", "Vá", "Atb", "YNT", "回复", "答复",
    )  # fmt: skip
    forward: tuple[str, ...] = (
        "Fwd", "FW", "Př", "Přep", "Předat", "Předáno", "Přeposláno", "Přeposlat", "Preposlané", "WG", "VB", "TR",
        "Doorst", "ENC", "VL", "I", "PD", "RV", "İLT", "转发",
    )  # fmt: skip


DEFAULT = Keywords()


def with_own(own: Mapping[str, tuple[str, ...]], base: Keywords = DEFAULT) -> Keywords:
    """The keywords with a deployment's own spellings behind them.

    Raises KeyError with the name that is no keyword's.
    """
    known = {field.name for field in fields(base)}
    for name in own:
        if name not in known:
            raise KeyError(name)
    return replace(base, **{name: getattr(base, name) + tuple(words) for name, words in own.items()})
