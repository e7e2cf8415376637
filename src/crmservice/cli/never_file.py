"""``crmservice never-file``: who is never filed, and what of them was filed before (SPEC chapter 2, ``neverFile``)."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.report import Progress
from crmservice.cli.words import _, told
from crmservice.service import upkeep
from crmservice.service.fates import Fate
from crmservice.service.log import one_line
from crmservice.service.looking_back import Listed

WORDS = {"list": 1, "add": 3, "remove": 3}
"""How many words each begins, itself included."""


def never_file(
    ctx: typer.Context,
    what: Annotated[
        list[str] | None, typer.Argument(help="Nothing; or: list, add LOGIN ADDRESS, remove LOGIN ADDRESS.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only shown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show, and with --yes remove, what was filed of people who are listed as never to be filed.

    Listed are the neverFile keys of each technology box, for everybody, and each user's own list, for that user: add
    LOGIN ADDRESS (or a domain) puts somebody on it, remove takes off, list shows all. Mail that nobody may keep
    loses everything but its headers, for good: that can't be undone. Mail that others keep is taken from the user
    alone: a change that crmservice undo takes back. Mail under a legal hold stays as it is.

    Example:  crmservice never-file
    """
    words = what or []
    if not words:
        _look_back(ctx, yes=yes, as_json=as_json)
        return
    if len(words) != WORDS.get(words[0]):
        raise typer.BadParameter(_("write: list, add LOGIN ADDRESS, or remove LOGIN ADDRESS"))
    if words[0] == "add":
        upkeep.never_file(ctx.obj.home, words[1], words[2])
    elif words[0] == "remove" and not upkeep.file_again(ctx.obj.home, words[1], words[2]):
        print(_("{address} is not on the list of {login}").format(address=words[2], login=words[1]))
        raise typer.Exit(exits.FAILED)
    _list(ctx, as_json=as_json)
    if words[0] == "add" and not as_json:
        print(_("What was filed before is shown, and removed, by: crmservice never-file"))


def _list(ctx: typer.Context, *, as_json: bool) -> None:
    entries = upkeep.never_filed(ctx.obj.home)
    if as_json:
        print(json.dumps([{"of": of, "address": address} for of, address in entries], ensure_ascii=False))
        return
    for of, address in entries:
        print(one_line(f"{of}  {address}"))
    if not entries:
        print(_("Nobody is listed."))


def _look_back(ctx: typer.Context, *, yes: bool, as_json: bool) -> None:
    with Progress() as progress:
        plan, done = upkeep.look_back(ctx.obj.home, yes=yes, told=progress)
    if as_json:
        print(json.dumps(_as_json(done or plan, done=done is not None), ensure_ascii=False))
    else:
        print("\n".join(_shown(done or plan, done=done is not None)))
    if (done or plan).taken.left:
        raise typer.Exit(exits.FAILED)


def _as_json(found: Listed, *, done: bool) -> dict[str, object]:
    return {
        "done": done,
        "reduced": found.count(Fate.REDUCED),
        "held": found.count(Fate.HELD),
        "taken": found.taken.count,
        "messages": [str(one.mail.id) for one in found.found if one.fate is Fate.REDUCED],
        "taken_from": [str(key) for key in found.users],
        "rows": dict(found.rows),
        "change": str(found.taken.change) if found.taken.change else None,
        "left": [{"what": str(one.what), "why": str(one.why)} for one in found.taken.left],
    }


def _shown(found: Listed, *, done: bool) -> list[str]:
    """What people read: the counts, what could not be taken, and what they can do next."""
    counts = (
        (found.count(Fate.REDUCED), _("mails of which the headers alone stay, for good")),
        (sum(count for name, count in found.rows.items() if name != "message"), _("rows of the database made of them")),
        (found.taken.count, _("activities and invitations taken from users; others keep the mail")),
        (found.count(Fate.HELD), _("mails left as they are: somebody under a legal hold takes part")),
    )
    lines = [f"{count:8}  {name}" for count, name in counts]
    for left in found.taken.left:
        line = _("left as it is: {what} ({why})").format(what=told(left.what), why=told(left.why))
        lines.append(one_line(f"    {line}"))
    if not done:
        return [*lines, _("Nothing was changed. To do it: the same command with --yes.")]
    if not found.compacted:
        lines.append(_("The database was too busy to empty its free pages."))
    if found.taken.change:
        lines.append(
            _("To undo what was taken from users: crmservice undo --change {id}").format(id=found.taken.change)
        )
    return lines
