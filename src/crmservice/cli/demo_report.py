"""The demo's report: what each mail became and why, the ledger, and what to do next."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from crmservice.cli.sentences import sentence
from crmservice.cli.words import _, told
from crmservice.demo.boxes import KEYS
from crmservice.demo.home import Demo
from crmservice.demo.mails import HIGHLIGHTS, Chapter
from crmservice.demo.sample import Sample
from crmservice.pipeline.rule import Step, Verdict, verdict_of
from crmservice.store.outcomes import Became

COLOURS = {
    Verdict.PROCESSED: "green",
    Verdict.DUPLICATE: "cyan",
    Verdict.SKIPPED: "yellow",
    Verdict.SET_ASIDE: "magenta",
}
PICTURE_WIDTH = 110

Rows = Mapping[str, Became]
Account = Mapping[str, Any]


def report(made: Demo, became: Rows, account: Account, tables: Mapping[str, list[Any]]) -> None:
    """Print the whole report; colour and bold on a terminal alone."""
    Console(highlight=False).print(_whole(made, made, became, account, tables))


def draw(file: Path, made: Demo, became: Rows, account: Account, tables: Mapping[str, list[Any]]) -> None:
    """Draw the report's highlights (the first mail of each outcome) as an SVG picture."""
    console = Console(record=True, width=PICTURE_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(_whole(_highlights(made), made, became, account, tables))
    file.write_text(console.export_svg(title="crmservice demo", unique_id="demo"), encoding="utf-8")


def _whole(shown: Demo, made: Demo, became: Rows, account: Account, tables: Mapping[str, list[Any]]) -> Group:
    """The report with the mails of ``shown``; whether all went right is said of ``made``."""
    return Group(
        _head(account, tables),
        *(part for chapter in shown.chapters for part in _chapter(chapter, became)),
        _verdict(made, became),
        _beside(_ledger(account), _holds(tables)),
        _next(str(shown.home)),
    )


def _head(account: Account, tables: Mapping[str, list[Any]]) -> RenderableType:
    line = _(
        "{users} users, {accounts} accounts, {contacts} contacts, {contracts} contracts; {mails} mails in {boxes} boxes"
    )
    line = line.format(
        users=len(tables["users"]),
        accounts=len(tables["accounts"]),
        contacts=len(tables["contacts"]),
        contracts=len(tables["contracts"]),
        mails=sum(counts["arrived"] for counts in account["boxes"].values()),
        boxes=len(KEYS),
    )
    title = Text("Horizont s.r.o.", style="bold") + Text("  " + _("a sample company"), style="dim")
    return Padding(Group(title, Text(line)), (1, 1, 1, 1))


def _chapter(chapter: Chapter, became: Rows) -> tuple[RenderableType, ...]:
    settings = dict(KEYS[chapter.box])
    place = f"{settings['pop3Email']}, rules={settings['rules']}"
    title = Text.assemble((f" {chapter.title.of(_('en'))} ", "bold"), (f" {place} ", "dim"))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False, expand=True)
    table.add_column(_("Mail"), ratio=30)
    table.add_column(_("became"), ratio=18)
    table.add_column(_("because"), ratio=52)
    for sample, row in _with_rows(chapter.samples, became):
        table.add_row(_mail(sample, row), _log(row), _why(sample, row))
    return Rule(title, align="left", style="dim"), Padding(table, (0, 0, 1, 0))


def _with_rows(samples: Iterable[Sample], became: Rows) -> list[tuple[Sample, Became | None]]:
    return [(sample, became.get(sha256(sample.raw).hexdigest())) for sample in samples]


def _mail(sample: Sample, row: Became | None) -> Text:
    """The subject as it was read; what can't be read shows its name."""
    return Text((row.subject if row else "") or sample.name)


def _log(row: Became | None) -> Text:
    words = row.log if row else ()
    style = COLOURS[verdict_of(words)] if words else "dim"
    return Text("\n".join(words) or _("waiting"), style=style)


def _why(sample: Sample, row: Became | None) -> Text:
    """What the mail shows, and beneath it the rule that decided, in its own words."""
    text = Text(sample.shows.of(_("en")))
    if row and (step := _decisive(sample, row.trail)):
        chapter = f" {step.chapter}" if step.chapter else ""
        said = sentence({"code": step.code, "evidence": step.evidence})
        text.append(f"\n{step.rule}{chapter}: {said}", style="dim")
    if row and row.log != sample.log:
        text.append("\n" + _("expected: {log}").format(log=", ".join(sample.log)), style="bold red")
    return text


def _decisive(sample: Sample, trail: tuple[Step, ...]) -> Step | None:
    """The step of the rule that the mail is about, else the last one that matched."""
    matched = [step for step in trail if step.matched]
    return next((step for step in matched if step.rule == sample.rule), matched[-1] if matched else None)


def _highlights(made: Demo) -> Demo:
    """The demo with the mails for a picture alone; its folder by a short name."""
    chapters = tuple(
        chapter._replace(samples=tuple(sample for sample in chapter.samples if sample.name in HIGHLIGHTS))
        for chapter in made.chapters
    )
    return replace(made, home=Path.cwd() / "demo-home", chapters=chapters)


def _verdict(made: Demo, became: Rows) -> RenderableType:
    rows = _with_rows(made.samples, became)
    right = sum(1 for sample, row in rows if row and row.log == sample.log)
    if right == len(rows):
        return Padding(
            Text("✓ " + _("Each of the {count} mails became what it should.").format(count=right), "green"),
            (0, 1, 1, 1),
        )
    wrong = _("{count} of {all} mails became something else than expected.").format(
        count=len(rows) - right, all=len(rows)
    )
    return Padding(Text("✗ " + wrong, "bold red"), (0, 1, 1, 1))


def _beside(left: RenderableType, right: RenderableType) -> RenderableType:
    """Two tables side by side."""
    grid = Table.grid(padding=(0, 8))
    grid.add_row(left, right)
    return Padding(grid, (0, 1, 1, 1))


def _ledger(account: Account) -> Table:
    """The sum of SPEC chapter 13.1, written as a sum: a column for each box."""
    table = Table(title=_("The ledger"), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("")
    for name in account["boxes"]:
        table.add_column(name, justify="right")
    for sign, key, name in (
        (" ", "arrived", _("arrived")),
        ("=", "processed", _("processed")),
        ("+", "skipped", _("skipped")),
        ("+", "duplicate", _("duplicate")),
        ("+", "set_aside", _("set aside")),
        ("+", "waiting", _("waiting")),
    ):
        table.add_row(f"{sign} {name}", *(str(counts[key]) for counts in account["boxes"].values()))
    table.caption = "\n".join(map(told, account["differences"])) or _("Everything adds up.")
    table.caption_justify = "left"
    return table


def _holds(tables: Mapping[str, list[Any]]) -> Table:
    """What the CRM holds now."""
    table = Table(
        title=_("In the CRM now"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        show_header=False,
    )
    table.add_column("", justify="right")
    table.add_column("")
    activities = tables["activities"]
    incoming = sum(1 for row in activities if row["direction"] == "incoming")
    for count, name in (
        (incoming, _("incoming activities")),
        (len(activities) - incoming, _("outgoing activities")),
        (len(tables["tasks"]), _("tasks")),
        (len(tables["invitations"]), _("invitations")),
        (len(tables["forbidden_emails"]), _("forbidden e-mails")),
        (sum(1 for row in tables["contacts"] if row["email_broken"]), _("contacts with a broken address")),
    ):
        table.add_row(str(count), name)
    return table


def _next(home: str) -> RenderableType:
    place, call = shlex.quote(_from_here(home)), _called()
    # A command on a line of its own, so that it can be copied.
    lines = (
        (_("what the junior salesman may see"), f"{call} --home {place} export --as maly"),
        (_("every message accounted for"), f"{call} --home {place} ledger"),
        (_("every rule asked, and what it saw"), f"{call} --home {place} explain --box crm {place}"),
        (_("file what you put into {folder}").format(folder="eml/crm"), f"{call} --home {place} run --once"),
        (_("a technology box of your own"), f"{call} init"),
    )
    texts = [Text.assemble((f"{says}\n", "dim"), (command, "bold")) for says, command in lines]
    return Group(Rule(_("What next"), align="left", style="dim"), Padding(Group(*texts), (0, 1)))


def _from_here(path: str) -> str:
    return os.path.relpath(path) if path.startswith(str(Path.cwd())) else path


def _called() -> str:
    """How the command is called here: by its name where the shell finds it, else by its place (``make demo``)."""
    program = Path(sys.argv[0])
    if shutil.which("crmservice") or program.name != "crmservice":
        return "crmservice"
    return shlex.quote(_from_here(str(program)))
