"""``crmservice status``: what an operator wants to know at three in the morning, on one screen (SPEC chapter 10)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crmservice import __version__
from crmservice.cli import exits
from crmservice.cli.words import _, told
from crmservice.service.log import one_line
from crmservice.words import Words

if TYPE_CHECKING:
    from crmservice.service.troubles import Health
    from crmservice.store.counts import JobState

VERDICTS = ("processed", "skipped", "duplicate", "set_aside")
_GIB = 1024**3


def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what a person must look at.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="For supervisors: exit code 1 only where the service goes no rounds.")
    ] = False,
) -> None:
    """Show how the service fares: each box, what waits, what was set aside, notices, jobs, room on the disk.

    Reads the database alone, no server is contacted. Exit code 0 when all is well, 1 when a person must look at
    something: it is named, with what to do.

    Example:  crmservice status
    """
    from crmservice.service import observing

    health = observing.gather(ctx.obj.home)
    if as_json:
        print(json.dumps(observing.as_json(health), ensure_ascii=False))
    else:
        _show(ctx.obj.home, health, quiet=quiet)
    if health.troubles() if not live else not health.at_work():
        raise typer.Exit(exits.FAILED)


def _show(home: Path, health: Health, *, quiet: bool) -> None:
    if not quiet:
        print(f"CRMService {__version__}  {home}  {health.minute(health.now)}\n")
        _boxes(health)
        _rest(health)
    troubles = health.troubles()
    if troubles:
        print(_("A person must look at this:"))
    for trouble in troubles:
        where = f"{trouble.box}: " if trouble.box else ""
        print(f"  {where}{one_line(told(trouble.words))}")
    if not troubles and not quiet:
        print(_("All is well."))


def _boxes(health: Health) -> None:
    from crmservice.store.box_state import State
    from crmservice.store.counts import BoxCounts

    rows = [[_("box"), _("state"), _("last read"), _("last mail"), _("waiting"), *map(told, _HEADS)]]
    for name in health.poll:
        state, counted = health.states.get(name, State(name)), health.counts.boxes.get(name, BoxCounts())
        numbers = [counted.waiting, *(counted.today.get(verdict, 0) for verdict in VERDICTS)]
        rows.append([name, told(_STATES[state.kind]), _ago(health, state.succeeded), _ago(health, counted.newest),
                     *map(str, numbers)])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def _rest(health: Health) -> None:
    outgoing, notices = health.counts.outgoing, health.counts.notices
    line = _(
        "Notices waiting: {notices}. Mails of ours waiting: {waiting}, refused: {failed}. Free on the disk: {free} GiB."
    )
    free = f"{health.disk.free / _GIB:.1f}"
    print(line.format(notices=notices.get("waiting", 0), waiting=outgoing.get("waiting", 0),
                      failed=outgoing.get("failed", 0), free=free))  # fmt: skip
    for job in health.counts.jobs:
        print(job_line(health, job))
    print()


def job_line(health: Health, job: JobState) -> str:
    """When the work was done last, and how it went."""
    if job.ended is None:
        return _("Job {name}: never done to its end yet").format(name=job.name)
    how = _("went well") if job.ok else _("did not go well")
    return _("Job {name}: last {when}, {how}").format(name=job.name, when=health.minute(job.ended), how=how)


def _ago(health: Health, when: datetime | None) -> str:
    return _("never") if when is None else health.minute(when)


_STATES = {
    "": Words("not read yet"),
    "ok": Words("in order"),
    "failing": Words("FAILING"),
    "paused": Words("paused"),
    "bad-file": Words("BAD FILE"),
}
_HEADS = (Words("processed today"), Words("skipped"), Words("duplicate"), Words("set aside"))
