"""``crmservice simulate``: what a switch of ``rules`` would have changed (SPEC 13.11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any, Literal

import typer

from crmservice.cli.sentences import sentence
from crmservice.cli.words import _
from crmservice.pipeline.explained import as_json as step_as_json
from crmservice.service import wiring
from crmservice.service.log import one_line
from crmservice.service.simulating import Simulation, Switched

EXAMPLES = 3
"""Messages that are shown of each kind of change."""


def simulate(
    ctx: typer.Context,
    rules: Annotated[Literal["safe", "manual"], typer.Option(help="The setting to try: safe, or manual.")],
    days: Annotated[int, typer.Option(min=1, max=36_500, help="How many days back.")] = 30,
    box: Annotated[str, typer.Option(help="Only this technology box.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each box, one a line.")] = False,
) -> None:
    """Say what another rules setting would have changed in the last days: how many mails, which, and why.

    Both settings decide each mail as of its own arrival, on the same records. Nothing is written. A box that has the
    setting already is left out. (replay shows what today's whole configuration would decide otherwise.)

    Example:  crmservice simulate --rules safe --days 90
    """
    none = True
    for found in wiring.simulate(ctx.obj.home, rules, days, box):
        none = False
        print(json.dumps(_as_json(found, days)) if as_json else "\n".join(_for_people(found, days)))
    if none and not as_json:
        print(_("Every box has rules={rules} already.").format(rules=rules))


def _as_json(found: Simulation, days: int) -> dict[str, Any]:
    return {
        "box": found.box,
        "rules": {"was": found.was, "would": found.would},
        "days": days,
        "messages": found.messages,
        "summary": [
            {
                "was": list(key[0]),
                "would": list(key[1]),
                "differs": list(key[2]),
                "count": len(group),
            }
            for key, group in _groups(found)
        ],
        "changes": [one.as_json() for one in found.switched],
    }


def _groups(found: Simulation) -> list[tuple[Any, list[Switched]]]:
    """Messages whose log words and differences are the same, the most frequent first."""

    def key(one: Switched) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        return one.was.log, one.would.log, one.differs

    groups = [(kind, list(group)) for kind, group in groupby(sorted(found.switched, key=key), key=key)]
    return sorted(groups, key=lambda pair: -len(pair[1]))


def _words() -> dict[str, str]:
    """What may differ, in the language in use."""
    return {
        "log": _("log words"),
        "activities": _("who gets an activity"),
        "effects": _("tasks, marks, invitations or suggestions"),
        "direction": _("direction"),
        "type": _("type"),
        "scope": _("scope"),
        "contract": _("contract"),
        "order": _("order"),
        "task": _("task"),
        "due": _("due date"),
        "completed": _("completed"),
        "contacts": _("contacts"),
        "accounts": _("accounts"),
        "sent": _("sent time"),
        "unverified": _("“sender not verified”"),
    }


def _for_people(found: Simulation, days: int) -> Iterator[str]:
    yield _(
        "{box}: rules {was} → {would}, last {days} days: {count} of {messages} messages would come out otherwise"
    ).format(
        box=found.box, was=found.was, would=found.would, days=days, count=len(found.switched), messages=found.messages
    )
    for (was, would, differs), group in _groups(found):
        words = _words()
        what = ", ".join(words.get(name, name) for name in differs)
        yield f"{len(group):6} ×  {', '.join(was)}  →  {', '.join(would)}   ({what})"
        for one in group[:EXAMPLES]:
            reason = f"{one.reason.rule}: {sentence(step_as_json(one.reason))}"
            yield one_line(f"          {one.past.row.id}  {one.past.subject}")
            yield one_line(f"              {reason}")
