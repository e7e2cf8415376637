#!/usr/bin/env python3
"""Measure ``crmservice`` from outside, against the floor of floor.py: compare.py [--mails N] [WHAT ...].

WHAT: throughput, store, memory, startup (default: all four). Runs of both sides are interleaved (A B A B …), CPU is
user and system time of the process and its children, figures are medians. CPU a message leaves start-up out: an
import of an empty folder is measured beside it and taken off. Prints a table, and JSON with --json FILE.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import generate
from measure import Use, measured, median_cpu

HERE = Path(__file__).parent
BOX_XML = """<?xml version="1.0" encoding="utf-8" ?>
<configuration>
  <appSettings>
    <add key="pop3Email" value="{box}" />
    <add key="rules" value="safe" />
    <add key="authservId" value="mx.{domain}" />
    <add key="bulkMail" value="list" />
  </appSettings>
</configuration>
"""
SMALL_MEDIAN = 900
MIB = 1024 * 1024

Figures = dict[str, float]


class Bench:
    """The command under measurement, and a scratch folder that goes when it ends.

    Nothing in it goes before: ext4 takes no inode that was freed in the last minutes, and looks for another one past
    all of them, for each file anew. What one run had deleted would cost the next one up to half as much again.
    """

    def __init__(self, command: list[str], scratch: Path, mails: int, runs: int) -> None:
        self.command, self.scratch, self.mails, self.runs = command, scratch, mails, runs
        self._used = 0
        self.empty = scratch / "empty"
        self.empty.mkdir()
        self.data = scratch / "data"
        print(f"writing {mails} mails …", file=sys.stderr)
        generate.write(self.data, mails)

    def crm(self, home: Path, *arguments: str, memory: bool = False) -> Use:
        """Run the command on a home."""
        return measured([*self.command, "--home", str(home), *arguments], memory=memory)

    def fresh(self) -> Path:
        """An empty folder."""
        self._used += 1
        folder = self.scratch / str(self._used)
        folder.mkdir()
        return folder

    def home(self) -> Path:
        """A fresh home with the box and the company's records."""
        home = self.fresh()
        (home / "crm.xml").write_text(BOX_XML.format(box=generate.BOX, domain=generate.DOMAIN), encoding="utf-8")
        self.crm(home, "load", str(self.data / "records.json"))
        return home

    def floor(self, mails: Path) -> Use:
        """Run the floor on a folder of mail."""
        return measured([sys.executable, str(HERE / "floor.py"), str(mails), str(self.fresh())])

    def imported(self, home: Path, mails: Path) -> tuple[float, Use]:
        """CPU seconds of importing a folder without start-up, and what the import used in all."""
        nothing = self.crm(home, "import", str(self.empty))
        whole = self.crm(home, "import", str(mails))
        return whole.cpu - nothing.cpu, whole


def throughput(bench: Bench) -> Figures:
    """CPU a message of the floor and of ``crmservice import``, interleaved, and their ratio."""
    mails = bench.data / "mails"
    floors, ours, walls = [], [], []
    for number in range(bench.runs):
        floors.append(bench.floor(mails).cpu - bench.floor(bench.empty).cpu)
        cpu, whole = bench.imported(bench.home(), mails)
        ours.append(cpu)
        walls.append(whole.wall)
        print(f"run {number + 1}: floor {floors[-1]:.2f} s, crmservice {cpu:.2f} s of CPU", file=sys.stderr)
    floor, our = statistics.median(floors) / bench.mails, statistics.median(ours) / bench.mails
    return {
        "floor_ms": floor * 1000,
        "import_ms": our * 1000,
        "ratio": statistics.median(b / a for a, b in zip(floors, ours, strict=True)),
        "mails_per_cpu_second": 1 / our,
        "mails_per_second": bench.mails / statistics.median(walls),
    }


def store(bench: Bench) -> Figures:
    """CPU a message on a store that holds 1,000 and 100,000 messages already."""
    batch = bench.scratch / "batch"
    batch.mkdir()
    for number in range(min(bench.mails, 2_000)):
        (batch / f"{number:06}.eml").write_bytes(generate.mail(number, seed=2))
    small, large = (_prefilled(bench, count) for count in (1_000, 100_000))
    figures: dict[str, list[float]] = {"small": [], "large": []}
    for number in range(bench.runs):
        renewed = bench.scratch / f"batch{number}"
        shutil.copytree(batch, renewed)
        for path in renewed.iterdir():
            # Another Message-ID and subject each time: the same mail would be a duplicate.
            path.write_bytes(
                path.read_bytes()
                .replace(b".bench@", b".bench%d@" % number)
                .replace(b"\r\nSubject: ", b"\r\nSubject: %d " % number)
            )
        for name, home in (("small", small), ("large", large)):
            figures[name].append(bench.imported(home, renewed)[0])
    count = sum(1 for _ in batch.iterdir())
    few, many = (statistics.median(figures[name]) / count * 1000 for name in ("small", "large"))
    return {"store_1000_ms": few, "store_100000_ms": many, "store_ratio": many / few}


def _prefilled(bench: Bench, count: int) -> Path:
    home = bench.home()
    folder = bench.scratch / f"fill{count}"
    print(f"filling a store with {count} messages …", file=sys.stderr)
    generate.write(folder, count, seed=3, median=SMALL_MEDIAN)
    bench.crm(home, "import", str(folder / "mails"))
    return home


def memory(bench: Bench) -> Figures:
    """Peak PSS (MiB, the whole process tree) while ordinary mail, one of 50 MB, and hostile ones are imported."""
    ordinary = bench.crm(bench.home(), "import", str(bench.data / "mails"), memory=True)
    figures = {"ordinary": ordinary.peak / MIB}
    for name, raw in (("mail_of_50_mb", large_mail()), *hostile_mails().items()):
        folder = bench.scratch / name
        folder.mkdir()
        (folder / "0.eml").write_bytes(raw)
        used = bench.crm(bench.home(), "import", str(folder), memory=True)
        figures |= {name: used.peak / MIB, f"{name}_cpu_s": used.cpu}
    return {f"memory_{name}": value for name, value in figures.items()}


_HEAD = (
    f"From: {generate.contact(7).email}\r\nTo: {generate.user(3).email}\r\nSubject: big\r\n"
    "Date: Mon, 5 Jan 2026 07:00:00 +0100\r\nMessage-ID: <big@zakaznik7.example>\r\nMIME-Version: 1.0\r\n"
).encode()


def large_mail() -> bytes:
    """An ordinary mail just under the limit of 50 MiB: a text and an attachment."""
    text = generate.part("plain", "Posílám výkresy.\r\n", "utf-8", "8bit")
    return _HEAD + generate.multipart("mixed", 1, [text, generate.attachment(random.Random(1), 1, 50 * 1024 * 1024)])


def hostile_mails() -> dict[str, bytes]:
    """Mail made to exhaust its reader: depth, parts, headers, addresses, HTML."""
    deep = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(5_000)).encode()
    html = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    parts = (
        b'Content-Type: multipart/mixed; boundary="m"\r\n\r\n'
        + b"--m\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 100_000
        + b"--m--\r\n"
    )
    many = b"To: " + b",\r\n ".join(b"a%d@x.example" % n for n in range(100_000)) + b"\r\n"
    return {
        "hostile_depth": _HEAD + deep,
        "hostile_parts": _HEAD + parts,
        "hostile_headers": b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + _HEAD + b"\r\nx\r\n",
        "hostile_addresses": many + _HEAD + b"\r\nx\r\n",
        "hostile_html": _HEAD + html + b"<div>" * 8_000_000,
        "hostile_text": _HEAD + b"Content-Type: text/plain\r\n\r\n" + b"Contract:" * 5_000_000,
    }


def startup(bench: Bench) -> Figures:
    """CPU seconds of commands that do next to nothing."""
    mail = str(next((bench.data / "mails").iterdir()))
    records = str(bench.data / "records.json")
    home = bench.home()
    bare = [*bench.command, "--home", str(bench.empty)]
    at_home = [*bench.command, "--home", str(home)]
    firsts = []
    for _ in range(3):
        fresh = bench.fresh()
        shutil.copy(home / "crm.xml", fresh)
        firsts.append(bench.crm(fresh, "run", "--once").cpu)
    return {
        "help_s": median_cpu([*bench.command, "--help"]),
        "explain_records_s": median_cpu([*bare, "explain", mail, "--json", "--records", records]),
        "explain_home_s": median_cpu([*at_home, "explain", mail, "--json"]),
        "run_once_s": median_cpu([*at_home, "run", "--once"]),
        "first_run_s": statistics.median(firsts),
    }


PARTS: dict[str, Callable[[Bench], Figures]] = {
    "throughput": throughput,
    "store": store,
    "memory": memory,
    "startup": startup,
}

# Name of a figure -> the most that it may be.
LIMITS = {
    "help_s": 0.3,
    "explain_records_s": 0.5,
    "explain_home_s": 1.0,
    "run_once_s": 1.2,
    "first_run_s": 2.5,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--crmservice", default="crmservice", help="the command, split as a shell splits it")
    parser.add_argument("--scratch", type=Path, help="where to work: a folder on the disk to be measured")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crmservice-bench-", dir=given.scratch) as scratch:
        bench = Bench(shlex.split(given.crmservice), Path(scratch), given.mails, given.runs)
        figures: Figures = {}
        for name in given.what or PARTS:
            figures |= PARTS[name](bench)
    for name, value in figures.items():
        limit = f"   (at most {LIMITS[name]})" if name in LIMITS else ""
        print(f"{name:34} {value:12.3f}{limit}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
