"""Mail of the works council, a doctor or a lawyer is never filed (``neverFile``): only its headers are kept.

A user may have such addresses of his own: such mail is filed for the others, and never for him.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from crmservice.mail.listed import is_listed
from crmservice.pipeline.rule import Answer, Case, go_on, not_mine, stop


def never_filed(case: Case) -> Answer:
    """Stop mail with a ``neverFile`` address or domain among its sender and recipients; leave users out who list one."""
    sender = (case.sender.email,) if case.sender else ()
    named = (*sender, *case.message.recipients)
    people = frozenset((*named, *map(case.plain, named)))
    if _any(people, case.box.never_file):
        return stop("NEVER FILED", "DELETED", because="listed")
    users = frozenset(user for user, entries in case.directory.never_file.items() if _any(people, entries))
    if not users:
        return not_mine("nobody-listed")
    return go_on("listed-by-users", found=replace(case.found, left_out=users), count=len(users))


def _any(people: AbstractSet[str], entries: AbstractSet[str]) -> bool:
    return bool(entries) and any(is_listed(address, entries) for address in people)
