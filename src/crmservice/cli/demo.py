"""``crmservice demo``: a sample company and its mail, what became of each, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from crmservice.cli.speaking import in_child
from crmservice.cli.words import _, use_language
from crmservice.demo.home import Demo, company, deliver, prepare
from crmservice.errors import CrmServiceError
from crmservice.service import wiring
from crmservice.service.child import Life

DEFAULT_HOME = Path("demo-home")


class DemoFailed(CrmServiceError):
    """The demo's mail could not be filed; CRMService.log in its folder says why."""


def demo(
    ctx: typer.Context,
    svg: Annotated[Path | None, typer.Option(help=_("Draw a picture of the highlights into this file, too."))] = None,
) -> None:
    """Make a sample company with some seventy mails, file them, and say what became of each and why.

    Without --home the folder is ./demo-home; a folder of your own must be empty or an earlier demo. Run
    again, it shows the same company with all that was added since. Nothing is sent to anybody.

    Example:  crmservice --home /tmp/demo demo
    """
    home = _home(ctx)
    made = prepare(home, datetime.now(UTC).astimezone().date(), _("en"))
    _file(made)
    settings = wiring.configured(home).settings
    use_language({}, settings.language)  # the language that the demo was made in, for its pages too
    _show(made, svg)


def _home(ctx: typer.Context) -> Path:
    """The folder given with --home or CRMSERVICE_HOME, else ./demo-home: the current folder is not ours."""
    source = ctx.parent.get_parameter_source("home") if ctx.parent else None
    return DEFAULT_HOME.absolute() if source is None or source.name == "DEFAULT" else Path(ctx.obj.home)


def _file(made: Demo) -> None:
    """Load the company and run one cycle, in a child: mail made to harm is among the samples."""

    def work(life: Life) -> int:
        from crmservice.service import cycle

        if made.fresh:
            wiring.load(made.home, company(), force=False)
            deliver(made)
        return cycle.run(made.home, life, lambda _text, _fault: None)

    if in_child(work):
        raise DemoFailed


def _show(made: Demo, svg: Path | None) -> None:
    from crmservice.cli.demo_report import draw, report

    wiring.connect(made.home)
    from crmservice.store.outcomes import outcomes

    became = {row.sha256: row for row in outcomes()}
    account, tables = wiring.ledger(made.home, quick=True), wiring.export(made.home, "")
    report(made, became, account, tables)
    if svg is not None:
        draw(svg, made, became, account, tables)
