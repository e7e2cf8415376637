"""``crmservice erase``: what is kept of a person goes, but where a legal hold stops it (SPEC 13.9)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.report import Progress
from crmservice.cli.words import _
from crmservice.service import upkeep
from crmservice.service.erasing import Done, Plan
from crmservice.service.fates import Fate

WORDS = ("hold", "release", "list")


def erase(
    ctx: typer.Context,
    what: Annotated[list[str], typer.Argument(help="An address; or: hold ADDRESS, release ADDRESS, list.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only shown.")] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Remove mail of several customers and mail that only names the person, too.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why the hold is, for those who ask later.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show, and with --yes remove, everything that is kept of a person: mail, activities, attachments, address book, log.

    Mail that the person wrote, or got from colleagues alone, goes whole. Mail in which other customers take part,
    and mail that only names the person, stays with the address blacked out. The messages stay counted. A
    certificate without the address goes into Config/Erasures.

    Where backup_to is set, the list beside the backups is told at once, of holds too: a restore erases again.

    hold ADDRESS --reason TEXT puts an address or a domain under a legal hold: nothing of it is erased, whatever
    asks for it, until release ADDRESS. list shows the holds.

    Example:  crmservice erase eva@acme.cz
    """
    if what[0] in WORDS:
        _holds(ctx, what, reason, as_json)
        return
    if len(what) > 1:
        raise typer.BadParameter(_("one address at a time"))
    with Progress() as progress:
        plan, done = upkeep.erase(ctx.obj.home, what[0], yes=yes, whole=whole, told=progress)
    if done:
        _certify(done)
    if as_json:
        print(json.dumps(_as_json(plan, done), ensure_ascii=False))
    else:
        print("\n".join(_shown(plan, done)))


def _as_json(plan: Plan, done: Done | None) -> dict[str, object]:
    return {
        "done": done is not None,
        "mails": {fate.value: plan.count(fate) for fate in Fate},
        "rows": dict(done.rows if done else plan.rows),
        "log_lines": done.log_lines if done else plan.log_lines,
        "on_server": plan.on_server,
        "files": list(plan.files),
        "backups": list(plan.backups),
        "backup_told": done.backup_told if done else None,
        "certificate": str(done.certificate) if done else None,
    }


def _shown(plan: Plan, done: Done | None) -> list[str]:
    """What people read: first the mails, then the rest, then what is left to them."""
    counts = {fate.value: plan.count(fate) for fate in Fate}
    rows, lines = (done.rows, done.log_lines) if done else (plan.rows, plan.log_lines)
    shown = [f"{count:8}  {name}" for name, count in _what(counts, rows, lines)]
    return [*shown, *_left(plan), *_end(done)]


def _what(mails: Mapping[str, int], rows: Mapping[str, int], log_lines: int) -> Iterator[tuple[str, int]]:
    fates = {
        Fate.GOES: _("mails removed whole"),
        Fate.BLACKED_OUT: _("mails kept with the address blacked out"),
        Fate.HELD: _("mails left as they are: somebody under a legal hold takes part"),
        Fate.LOST: _("mails whose backup can't be read (see crmservice verify)"),
    }
    yield from ((name, mails.get(fate.value, 0)) for fate, name in fates.items())
    yield from _rows(rows)
    yield _("lines of the log"), log_lines


def _rows(rows: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """What the tables lose, in words; what hangs on a row goes with it and is not counted again."""
    names = {
        "activity": _("activities"),
        "attachment": _("attachments"),
        "suggestion": _("suggestions"),
        "invitation": _("invitations"),
        "attendee": _("places among the attendees of other invitations"),
        "contact": _("contacts of the address book"),
        "contactaddress": _("addresses of contacts"),
        "accountaddress": _("addresses of accounts"),
        "outgoing": _("mails of ours that wait or were sent"),
    }
    yield from ((name, rows[key]) for key, name in names.items() if rows.get(key))
    yield _("other texts of the database"), sum(count for key, count in rows.items() if "." in key)


def _left(plan: Plan) -> list[str]:
    lines = []
    if plan.on_server:
        lines.append(
            _("Still at their source perhaps, because their deletion was never confirmed: {count}").format(
                count=plan.on_server
            )
        )
    if plan.files:
        lines.append(
            _("Files of yours name the address and are left to you: {files}").format(files=", ".join(plan.files))
        )
    if plan.backups:
        text = _("Older backups hold it until they go (the oldest: {oldest}, in all {count}); a restore erases again.")
        lines.append(text.format(oldest=plan.backups[0], count=len(plan.backups)))
    return lines


def _end(done: Done | None) -> list[str]:
    if done is None:
        return [_("Nothing was changed. To do it: the same command with --yes.")]
    lines = [
        _("Done. Certificate: {file}, and the same for machines beside it").format(
            file=done.certificate.with_suffix(".txt")
        )
    ]
    if done.backup_told is False:
        lines.append(_untold())
    if not done.compacted:
        lines.append(_("The database was too busy to empty its free pages: run the same command again later."))
    return lines


def _untold() -> str:
    return _(
        "The backup folder is away, or holds no backup yet: it does not know of this, and a restore from it would not either."
        " The next backup or erasure tells it."
    )


def _certify(done: Done) -> None:
    """The certificate for people, beside that for machines."""
    text = _(
        "On {when:%Y-%m-%d %H:%M} UTC everything kept by this service of one person was erased.\n"
        "By: {by}. The person's e-mail address as HMAC-SHA256: {digest}"
    )
    said = [text.format(when=done.when, by=done.by, digest=done.digest), ""]
    said += [f"{count:8}  {name}" for name, count in _what(done.mails, done.rows, done.log_lines)]
    if done.backup_told is not None:
        lists = _("The list beside the backups has it.") if done.backup_told else _untold()
        said += ["", lists]
    done.certificate.with_suffix(".txt").write_text("\n".join([*said, ""]), "utf-8")


def _holds(ctx: typer.Context, what: list[str], reason: str, as_json: bool) -> None:
    action, *of = what
    if len(of) != (0 if action == "list" else 1):
        raise typer.BadParameter(_("write: hold ADDRESS, release ADDRESS, or list"))
    told: bool | None = None
    if action == "hold":
        told = upkeep.hold(ctx.obj.home, of[0], reason)
    elif action == "release":
        there, told = upkeep.release(ctx.obj.home, of[0])
        if not there:
            print(_("{address} is under no hold").format(address=of[0]))
            raise typer.Exit(exits.FAILED)
    _listed(ctx, as_json)
    if told is False:
        print(_untold(), file=sys.stderr)


def _listed(ctx: typer.Context, as_json: bool) -> None:
    held = upkeep.holds(ctx.obj.home)
    if as_json:
        print(json.dumps([{**asdict(one), "since": one.since.isoformat()} for one in held], ensure_ascii=False))
        return
    if not held:
        print(_("No legal hold."))
    for one in held:
        print(f"{one.address}  {one.since:%Y-%m-%d}  {one.by}  {one.reason}")
