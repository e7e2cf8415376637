"""15.2  What an automatic mail of the Troubleshooting application says about its problem."""

from __future__ import annotations

from dataclasses import dataclass

from crmservice.mail import body, markers, prefixes
from crmservice.mail.keywords import Keywords
from crmservice.mail.message import Message
from crmservice.mail.text import fold


@dataclass(frozen=True, slots=True)
class Problem:
    """The four facts; each is empty where the mail lacks it. ``contracts``: spellings of the contract's number."""

    contracts: tuple[str, ...]
    problem_id: str
    status: str
    subject: str


def read(message: Message, words: Keywords) -> Problem | None:
    """The problem a mail tells of, or None when its subject does not begin as such mail does."""
    if prefixes.begins_with(message.subject, words.problem) is None:
        return None
    html_text = body.html_to_text(message.html) if message.html else ""
    rows = body.table_rows(message.html) if message.html else []
    return Problem(
        contracts=_contract(f"{message.text}\n{html_text}", words),
        problem_id=_problem_id(f"{message.text} {html_text}"),
        status=_row(rows, words.problem_status),
        subject=_row(rows, words.problem_subject),
    )


def _contract(text: str, words: Keywords) -> tuple[str, ...]:
    only = Keywords(contract=words.problem_contract, order=(), task=())
    return tuple(number for marker in markers.scan("", text, text, only) for number in marker.numbers)


def _problem_id(text: str) -> str:
    """The number after ``?id=`` or ``&id=`` in a link (the first that has one)."""
    for token in text.split():
        if "://" not in token:
            continue
        for mark in ("?id=", "&id="):
            digits = _digits(token.partition(mark)[2])
            if digits:
                return digits
    return ""


def _digits(text: str) -> str:
    end = next((at for at, char in enumerate(text) if not char.isascii() or not char.isdigit()), len(text))
    return text[:end]


def _row(rows: list[tuple[str, ...]], headings: tuple[str, ...]) -> str:
    wanted = {fold(heading) for heading in headings}
    for cells in rows:
        if len(cells) > 1 and fold(cells[0]).strip().rstrip(":").rstrip() in wanted and cells[1].strip():
            return " ".join(cells[1].split())
    return ""
