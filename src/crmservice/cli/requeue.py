"""``crmservice requeue``: give messages that were set aside another try, or have one processed after all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.speaking import complain, in_child
from crmservice.cli.words import _
from crmservice.crm.ids import MOST_ID
from crmservice.service import wiring
from crmservice.service.child import Before, Life
from crmservice.service.limits import limit_memory
from crmservice.service.log import one_line

if TYPE_CHECKING:
    from crmservice.store.inbox import Listed


def requeue(
    ctx: typer.Context,
    ids: Annotated[
        list[int] | None, typer.Argument(max=MOST_ID, help="Ids of messages, as the list shows them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every message that was set aside.")] = False,
    after_all: Annotated[
        bool, typer.Option("--after-all", help="File these now, though the rules skipped them or set them aside.")
    ] = False,
    responsible: Annotated[
        str, typer.Option(metavar="LOGIN", help="Who gets the activity; else whom the rules find.")
    ] = "",
) -> None:
    """List the messages that were set aside, or let them be tried again in the next run.

    An id that is not set aside ends with exit code 1; those that are wait all the same.

    With --after-all a message that was skipped or set aside is filed at once: the rules are asked from opt_out (7)
    on. Where they find nobody who is responsible, name a user. Without an id: list what was left out.

    Example:  crmservice requeue --all && crmservice run --once
    """
    if responsible and not after_all:
        raise typer.BadParameter(_("--responsible goes with --after-all"))
    if after_all:
        if everything:
            raise typer.BadParameter(_("--after-all takes ids, one by one"))
        _after_all(ctx, ids or (), responsible)
    elif ids or everything:
        _requeue(ctx, set(ids or ()), everything)
    else:
        _list(wiring.set_aside(ctx.obj.home), _("Nothing is set aside."))


def _requeue(ctx: typer.Context, wished: set[int], everything: bool) -> None:
    count = wiring.requeue(ctx.obj.home, None if everything else sorted(wished))
    print(_("{count} messages wait for the next run").format(count=count))
    large = [row.id for row in wiring.set_aside(ctx.obj.home) if not row.sha256 and (everything or row.id in wished)]
    if large:
        text = _("{count} are larger than maxMessageBytes and still where they came from: raise it for the next run")
        complain(text.format(count=len(large)))
    if unknown := max(len(wished) - count - len(large), 0):
        text = _("{count} of these ids are not set aside: crmservice requeue lists those that are")
        complain(text.format(count=unknown))
    if count < len(wished):
        raise typer.Exit(exits.FAILED)


def _after_all(ctx: typer.Context, ids: Sequence[int], responsible: str) -> None:
    if not ids:
        _list(wiring.left_out(ctx.obj.home), _("Nothing was left out."))
        return
    codes = [in_child(partial(_process, ctx, key, responsible)) for key in dict.fromkeys(ids)]
    if any(codes):
        raise typer.Exit(max(codes))


def _process(ctx: typer.Context, message: int, responsible: str, life: Life) -> int:
    """One message, in a child: what was set aside may end whoever reads it."""
    if life.before is not Before.NOTHING:
        complain(_("message {id}: reading it ended the process; nothing was changed").format(id=message))
        return exits.FAILED
    limit_memory()
    service = wiring.after_all(ctx.obj.home)
    from crmservice.store.undo import By

    done = service.process(message, By(), responsible)
    decision = done.outcome.decision
    print(one_line(f"{message}  {decision.message.subject}  {', '.join(decision.log)}"))
    print(_("To undo this: crmservice undo --change {id}").format(id=done.change))
    return exits.DONE


def _list(rows: Sequence[Listed], nothing: str) -> None:
    if not rows:
        print(nothing)
    for row in rows:
        log = ", ".join(row.log)
        facts = (row.id, f"{row.arrived:%Y-%m-%d %H:%M}", row.box, row.sender or "–", row.subject, log, row.path)
        print("  ".join(one_line(str(fact)) for fact in facts))
