#!/usr/bin/env python3
"""Where the time of a message goes: where.py [--mails N] [--scratch DIR] imports generated mail and draws the stages' CPU.

Each stage counts its own time, not that of the stages inside it; what is left is ``between``. The work is that of
``crmservice import``, in this process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crmservice import bootstrap

bootstrap.prepare()

from crmservice.config import Box  # noqa: E402 (the newer SQLite comes first)
from crmservice.mail import bounces, content, markers, patient, quoting, structure  # noqa: E402
from crmservice.service import wiring  # noqa: E402
from crmservice.service.capture import Capture  # noqa: E402
from crmservice.service.filing import Filing  # noqa: E402
from crmservice.service.importing import ImportFolder  # noqa: E402
from crmservice.service.log import ServiceLog  # noqa: E402
from crmservice.store import lease, tables  # noqa: E402
from crmservice.store.gateway import StoreGateway  # noqa: E402
from crmservice.store.inbox import StoreInbox  # noqa: E402

HERE = Path(__file__).parent
WIDTH = 50
BOX_XML = '<configuration><appSettings><add key="pop3Email" value="{email}"/></appSettings></configuration>'


class Stages:
    """CPU seconds by stage, each without those inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._running = ["between"]
        self._since = time.process_time()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside for this stage."""
        self._turn()
        self._running.append(name)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def _turn(self) -> None:
        now = time.process_time()
        self.spent[self._running[-1]] += now - self._since
        self._since = now

    def within(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its time counted for a stage."""

        def timed(*args: Any, **named: Any) -> Any:
            with self.stage(name):
                return work(*args, **named)

        return timed

    def over(self, place: Any, **names: str) -> Any:
        """The object or module with these functions timed: ``function="stage"``."""
        for function, name in names.items():
            setattr(place, function, self.within(name, getattr(place, function)))
        return place


def run(home: Path, mails: Path, stages: Stages) -> int:
    """Import the folder; how many mails are counted: those behind the first batch, with which the process warms up."""
    found = wiring.configured(home)
    box: Box = found.boxes[0]
    wiring.connect(home, found.settings)
    tables.load(json.loads((mails.parent / "records.json").read_text("utf-8")))
    held = lease.take(box.name)
    stages.over(structure, read_fast="read the MIME tree")
    stages.over(patient, read="read it again, patiently")
    stages.over(content, collect="decode bodies, HTML to text")
    stages.over(markers, scan="markers")
    stages.over(quoting, fresh_part="quoted history")
    stages.over(bounces, find="bounces")
    inbox: Any = stages.over(
        StoreInbox(held), accept="inbox rows", known="inbox rows", claim="inbox rows", pending="inbox rows"
    )
    raw = stages.over(wiring.raw_mail(found.settings, box.name), keep="raw mail, fsync, rename", read="read it back")
    gateway = stages.over(StoreGateway(held), directory_for="look up", apply="write down")
    stages.over(type(wiring.pipeline(found.settings, gateway)), read="rest of reading", decide="decide")
    log = ServiceLog(home, found.settings.zone, wiring.now)
    source = stages.over(ImportFolder(mails), _read="read the files")
    filing = Filing(inbox, raw, wiring.pipeline(found.settings, gateway), stages.within("log", log.messages))
    batches = []
    for new in Capture(inbox, raw, wiring.now).run(box, source):
        filing.run(box)
        batches.append(new)
        if len(batches) == 1:
            stages.spent.clear()
    held.release()
    return sum(batches[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        out, home = Path(scratch, "out"), Path(scratch, "home")
        subprocess.run([sys.executable, HERE / "generate.py", out, "--mails", str(given.mails)], check=True)
        home.mkdir()
        (home / "crm.xml").write_text(BOX_XML.format(email="crm@firma.example"))
        stages = Stages()
        counted = run(home, out / "mails", stages)
    draw(stages.spent, counted)
    return 0


def draw(spent: dict[str, float], mails: int) -> None:
    """A bar for each stage, the longest first, in milliseconds a message."""
    total = sum(spent.values())
    for name, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        bar = "█" * round(WIDTH * seconds / max(spent.values()))
        print(f"{name:28} {1000 * seconds / mails:6.3f} ms {100 * seconds / total:4.0f} %  {bar}")
    print(f"{'together':28} {1000 * total / mails:6.3f} ms")


if __name__ == "__main__":
    sys.exit(main())
