#!/usr/bin/env python3
"""The service at work for an hour: soak.py [--minutes N] [--gap SECONDS].

Mail arrives all the time over IMAP (IDLE), POP3, SMTP and in a folder, and metrics are asked for; now and then it is a large
one, one that comes twice, or broken MIME. Prints each minute the summed PSS, descriptors and threads of all processes, at
the end how long mail took from arrival to activity, and whether memory rises. Ends with 1 where a mail was lost or doubled,
memory rose by a MiB an hour or more, or descriptors or threads did not come back. Needs root and Dovecot, as the tests do.
"""

from __future__ import annotations

import argparse
import itertools
import smtplib
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from measure import pss, tree

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.faults.place import (
    BOX,
    Place,
    mail,
    mailbox_keys,
    make_place,
    make_template,
)
from tests.support import dovecot
from tests.support.home import Home

MIB = 1024 * 1024
OTHER = "other@firma.cz"
WARM_UP_MINUTES = 10.0
PATIENCE_S = 60.0
RISE_MIB = 1.0
SPREAD = 0.05
LARGE, TWICE, BROKEN = 50, 40, 30
"""One of so many mails is larger than a megabyte, comes twice, has a body that ends in the midst."""


@dataclass(frozen=True, slots=True)
class Sample:
    """All processes of the service at a moment."""

    minutes: float
    memory: int
    descriptors: int
    threads: int
    processes: int


@dataclass
class Soak:
    """A service with four boxes, and what was seen of it."""

    place: Place
    ways: dict[str, Callable[[bytes], None]]
    metrics: str
    took: dict[str, list[float]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def run(self, minutes: float, gap: float) -> list[str]:
        """Keep it at work; what was wrong."""
        service = self.place.start("run")
        began, numbers, ways = time.monotonic(), itertools.count(), itertools.cycle(self.ways)
        try:
            self._wait_for_metrics()
            while (passed := (time.monotonic() - began) / 60) < minutes:
                if passed >= len(self.samples):
                    self._look(service.pid, passed)
                self._send(next(ways), next(numbers))
                time.sleep(gap)
        finally:
            service.terminate()
            said = service.communicate(timeout=30)[0]
        wrong = [f"it left with {service.returncode}: {said[-2000:]}"] if service.returncode else []
        return [*wrong, *self.place.faults(), *self._judged()]

    def _wait_for_metrics(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._ask()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _ask(self) -> None:
        with urllib.request.urlopen(self.metrics) as answer:
            answer.read()

    def _send(self, way: str, number: int) -> None:
        raw = _mail(number)
        for _ in range(2 if number % TWICE == TWICE - 1 else 1):
            self.ways[way](raw)
            self.place.sent.append(raw)
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            if self.place.query(f"SELECT 1 FROM crm_activity WHERE subject = 'Mail {number:05} end'"):
                self.took.setdefault(way, []).append(time.monotonic() - began)
                return
            time.sleep(0.05)

    def _look(self, root: int, minutes: float) -> None:
        self._ask()
        found = tree(root)
        sample = Sample(
            minutes, sum(map(pss, found)), sum(map(_descriptors, found)), sum(map(_threads, found)), len(found)
        )
        self.samples.append(sample)
        print(
            f"{minutes:6.1f} min  {sample.memory / MIB:7.1f} MiB  {sample.descriptors:4} descriptors"
            f"  {sample.threads:3} threads  {sample.processes} processes  {len(self.place.sent):6} mails",
            flush=True,
        )

    def _judged(self) -> list[str]:
        for way, seconds in self.took.items():
            print(f"{way}: {len(seconds)} mails, arrival to activity {_spread(seconds)}")
        warm = [sample for sample in self.samples if sample.minutes >= WARM_UP_MINUTES]
        if len(warm) < 3:
            return ["too short to say whether memory rises"]
        rise = 60 * statistics.linear_regression([s.minutes for s in warm], [s.memory / MIB for s in warm]).slope
        print(f"memory rises by {rise:.2f} MiB an hour, from {warm[0].memory / MIB:.1f} MiB")
        wrong = [] if rise < RISE_MIB else [f"memory rises by {rise:.2f} MiB an hour"]
        for name in ("memory", "descriptors", "threads"):
            first, last = getattr(warm[0], name), getattr(warm[-1], name)
            print(f"{name}: {first} after the warm-up, {last} at the end")
            if last > first * (1 + SPREAD):
                wrong.append(f"{name} did not come back: {first}, then {last}")
        return wrong


def _mail(number: int) -> bytes:
    if number % LARGE == LARGE - 1:
        return mail(number, body="An attachment's line, or something like it.\r\n" * 25_000)
    if number % BROKEN == BROKEN - 1:
        return mail(
            number, extra='MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n', body="--b\r\n"
        )
    return mail(number)


def _descriptors(pid: int) -> int:
    return _entries(Path(f"/proc/{pid}/fd"))


def _threads(pid: int) -> int:
    return _entries(Path(f"/proc/{pid}/task"))


def _entries(folder: Path) -> int:
    try:
        return sum(1 for _entry in folder.iterdir())
    except OSError:
        return 0


def _spread(seconds: list[float]) -> str:
    parts = statistics.quantiles(seconds, n=20) if len(seconds) > 1 else seconds * 19
    return f"median {statistics.median(seconds):.2f} s, 95 % within {parts[18]:.2f} s, at most {max(seconds):.2f} s"


def _made(folder: Path, server: dovecot.Dovecot) -> Soak:
    """A home with a box for each way in."""
    place = make_place(make_template(folder / "template"), folder / "home", mailbox_keys(server, "imap"), server)
    incoming, port, metrics = folder / "in", dovecot.free_port(), dovecot.free_port()
    incoming.mkdir()
    boxes = Home(place.home)
    pop3 = {name: OTHER if name == "pop3Name" else value for name, value in mailbox_keys(server, "pop3").items()}
    boxes.box({"pop3Email": OTHER, "pollSeconds": "5", **pop3}, "pop.xml")
    boxes.box({"pop3Email": "eml@firma.cz", "emlDir": str(incoming), "pollSeconds": "5"}, "eml.xml")
    boxes.box({"pop3Email": "smtp@firma.cz", "smtpListen": f"127.0.0.1:{port}"}, "smtp.xml")
    (place.home / "crmservice.toml").write_text(f'metrics = "127.0.0.1:{metrics}"\n')
    names = itertools.count()

    def dropped(raw: bytes) -> None:
        part = incoming / f"{next(names):05}.part"
        part.write_bytes(raw)
        part.rename(part.with_suffix(".eml"))

    def handed_over(raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("eva@acme.cz", ["smtp@firma.cz"], raw)

    ways: dict[str, Callable[[bytes], None]] = {
        "imap": lambda raw: server.deliver(raw, BOX), "pop3": lambda raw: server.deliver(raw, OTHER),
        "emlDir": dropped, "smtp": handed_over,
    }  # fmt: skip
    return Soak(place, ways, f"http://127.0.0.1:{metrics}/metrics")


def main() -> None:
    """Soak it, and say how it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=70.0, help="ten of them warm it up")
    parser.add_argument("--gap", type=float, default=0.5, help="seconds between two mails")
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crm-soak-") as base, tempfile.TemporaryDirectory() as work:
        server = dovecot.start(Path(base))
        try:
            wrong = _made(Path(work), server).run(wishes.minutes, wishes.gap)
        finally:
            server.stop()
    print("\n".join(wrong) or "nothing lost, nothing twice, nothing left open")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
