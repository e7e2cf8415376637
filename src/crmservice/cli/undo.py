"""``crmservice undo``: take back what messages caused, or what a change did (SPEC 13.8)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crmservice.cli import exits
from crmservice.cli.words import _, told
from crmservice.crm.ids import MOST_ID
from crmservice.service import wiring
from crmservice.service.log import one_line

if TYPE_CHECKING:
    from crmservice.store.undo import Touched, Undone

SHOWN = 20
"""Messages that are shown one by one where nothing of them had to be left."""

LISTED = 15


def undo(
    ctx: typer.Context,
    messages: Annotated[
        list[int] | None, typer.Argument(max=MOST_ID, help="Ids of messages, or of their activities.")
    ] = None,
    change: Annotated[
        int | None, typer.Option(max=MOST_ID, metavar="ID", help="Take back what this change did.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Take back the newest change.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing (a terminal is asked otherwise).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Take back what messages caused: activities, tasks, marks, invitations, places in threads. The messages stay.

    What others changed since is named and stays as it is: exit code 1. Every undo is a change that can be undone
    itself, as can an applied replay, a message processed after all, an accepted suggestion. Without an argument:
    list the newest changes, and the newest messages that caused something.

    Example:  crmservice undo --last
    """
    ways = [bool(messages), change is not None, last]
    if sum(ways) > 1:
        raise typer.BadParameter(_("name messages, or --change, or --last: one of them"))
    wiring.connect_to_read(ctx.obj.home)
    if not any(ways):
        _list(as_json)
        return
    asking = sys.stdin.isatty() and not (yes or as_json or dry)
    if asking:
        print("\n".join(_shown(_undo(messages, change, dry=True))))
        if not typer.confirm(_("Take this back?")):
            raise typer.Exit(exits.FAILED)
    done = _undo(messages, change, dry=dry)
    if as_json:
        print(json.dumps(_as_json(done)))
    elif not asking or not done.whole:
        print("\n".join(_shown(done)))
    if dry and not as_json:
        print(_("Nothing was changed."))
    elif not as_json and done.change is not None:
        print(_("To undo this: crmservice undo --change {id}").format(id=done.change))
    if not done.whole:
        raise typer.Exit(exits.FAILED)


def _undo(messages: list[int] | None, change: int | None, *, dry: bool) -> Undone:
    from crmservice.service import undoing
    from crmservice.store.undo import By

    if messages:
        return undoing.undo_messages(messages, By(), dry=dry)
    return undoing.undo_change(change, By(), dry=dry)


def _as_json(done: Undone) -> dict[str, Any]:
    return {
        "change": _text(done.change),
        "undoes": _text(done.undoes),
        "messages": [
            {
                "id": str(one.message),
                "subject": one.subject,
                "log": list(one.log),
                "taken": [
                    {"table": part.table, "what": str(part.what), "put_back": part.put_back} for part in one.taken
                ],
                "left": [
                    {
                        "table": left.table,
                        "what": str(left.what),
                        "why": str(left.why),
                        "message": _text(left.message),
                        "change": _text(left.change),
                    }
                    for left in one.left
                ],
            }
            for one in done.messages
        ],
    }


def _text(key: int | None) -> str | None:
    return None if key is None else str(key)


def _shown(done: Undone) -> Iterator[str]:
    """What people read: of each message what was taken back and what is left; of very many those that left something."""
    whole = [one for one in done.messages if not one.left]
    few = {one.message for one in whole[:SHOWN]}
    for one in done.messages:
        if one.left or one.message in few:
            yield from _of_message(one)
    if len(whole) > SHOWN:
        yield _("… and {count} messages more, each of them whole").format(count=len(whole) - SHOWN)


def _of_message(one: Touched) -> Iterator[str]:
    yield one_line(f"{one.message}  {one.subject}  ({', '.join(one.log)})")
    shown = [part for part in one.taken if part.table != "message"]  # the log words above say what became of it
    for put_back, words in ((False, _("taken back: {parts}")), (True, _("put back: {parts}"))):
        if parts := ", ".join(told(part.what) for part in shown if part.put_back == put_back):
            yield one_line("    " + words.format(parts=parts))
    if not (one.taken or one.left):
        yield "    " + _("nothing to take back")
    for left in one.left:
        line = _("left as it is: {what} ({why})").format(what=told(left.what), why=told(left.why))
        yield one_line(f"    {line}")


def _list(as_json: bool) -> None:
    from crmservice.store import undo as store

    made, messages = store.changes(LISTED), store.capturing(LISTED)
    if as_json:
        print(json.dumps(_list_json(made, messages)))
        return
    if not (made or messages):
        print(_("There is nothing that could be taken back."))
    for change in made:
        who = change.by or _("the command line")
        note = "" if change.left else "  " + _("(taken back)")
        undoes = "  → " + str(change.undoes) if change.undoes else ""
        what = _("change {id}  {made}  {kind} by {who}, messages: {count}").format(
            id=change.id, made=f"{change.made:%Y-%m-%d %H:%M}", kind=change.kind, who=who, count=change.messages
        )
        print(one_line(f"{what}{undoes}{note}"))
    for row in messages:
        facts = (row.id, f"{row.arrived:%Y-%m-%d %H:%M}", row.box, row.sender or "–", row.subject, ", ".join(row.log))
        print("  ".join(one_line(str(fact)) for fact in facts))


def _list_json(made: Any, messages: Any) -> dict[str, Any]:
    return {
        "changes": [
            {
                "id": str(change.id),
                "kind": change.kind,
                "by": change.by or None,
                "made": change.made.isoformat(),
                "undoes": _text(change.undoes),
                "messages": change.messages,
                "taken_back": not change.left,
            }
            for change in made
        ],
        "messages": [
            {
                "id": str(row.id),
                "arrived": row.arrived.isoformat(),
                "box": row.box,
                "sender": row.sender or None,
                "subject": row.subject,
                "log": list(row.log),
            }
            for row in messages
        ],
    }
