"""What must be true after any fault, once all mail was fetched: O1 to O6 of TRUST.md, chapter C.

O7 (how soon), O8 (how many notices) and O9 (memory, descriptors, threads) are measured while a scenario runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.faults import poison

if TYPE_CHECKING:
    from tests.faults.place import Place

AGAIN = "duplicate"


def faults(place: Place) -> list[str]:
    """Everything that is not as it must be."""
    return [*_filed(place), *_kept(place), *_left_behind(place), *_database(place), *_server(place)]


def subject_of(raw: bytes) -> str:
    """The subject of a mail that ``place.mail`` made."""
    return raw.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()


def _expected(raw: bytes, times: int) -> Counter[str]:
    """The verdicts of a mail that arrived so often."""
    if poison.kind(raw):
        return Counter(set_aside=times)
    return Counter(processed=1) + Counter({AGAIN: times - 1})


def _filed(place: Place) -> Iterable[str]:
    """O2 and O4: a row for each arrival with the one verdict that it must have, and one activity for each good mail."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for checksum, verdict, _attempts in place.messages():
        verdicts[checksum][verdict] += 1
    activities = place.activities()
    for raw, times in Counter(place.sent).items():
        name, found = subject_of(raw), verdicts.pop(sha256(raw).hexdigest(), Counter())
        if found != (wanted := _expected(raw, times)):
            yield f"{name}: in the inbox as {dict(found)}, not {dict(wanted)}"
        if activities[name] != (number := 0 if poison.kind(raw) else 1):
            yield f"{name}: {activities[name]} activities, not {number}"
    yield from _why(place)
    if verdicts:
        yield f"{sum(map(Counter.total, verdicts.values()))} rows of mail that was never sent"
    lines = Counter(line.split(" ", 3)[3] for line in place.log() if " DELETED" in line or "PROCESSED" in line)
    # Some subjects arrive more than once, and a death may come before the line: more lines than arrivals are a fault.
    sent = Counter(map(subject_of, place.sent))
    for line, count in lines.items():
        if count > max((times for name, times in sent.items() if f"'{name}'" in line), default=count):
            yield f"in the log {count} times: {line}"


def _why(place: Place) -> Iterable[str]:
    """Why good mail was set aside, if any was."""
    poisonous = {sha256(raw).hexdigest() for raw in place.sent if poison.kind(raw)}
    rows = place.query("SELECT sha256, attempts, trail FROM crm_message WHERE verdict = 'set_aside'")
    yield from (f"set aside at attempt {attempts}: {trail}" for one, attempts, trail in rows if one not in poisonous)


def _kept(place: Place) -> Iterable[str]:
    """O1: a file with its bytes for each arrival."""
    kept = Counter(sha256(path.read_bytes()).hexdigest() for path in place.backup() if path.suffix == ".eml")
    for raw, times in Counter(place.sent).items():
        if kept[sha256(raw).hexdigest()] != times:
            yield f"{subject_of(raw)}: {kept[sha256(raw).hexdigest()]} files, not {times}"


def _left_behind(place: Place) -> Iterable[str]:
    """O6: no temporary file, and neither a file nor a row without the other."""
    yield from (f"left behind: {path.name}" for path in place.backup() if path.suffix != ".eml")
    yield from place.ledger()["differences"]


def _database(place: Place) -> Iterable[str]:
    """O5."""
    if (found := place.query("PRAGMA integrity_check")) != [("ok",)]:
        yield f"integrity_check: {found}"
    if found := place.query("PRAGMA foreign_key_check"):
        yield f"foreign_key_check: {found}"


def _server(place: Place) -> Iterable[str]:
    """O3, and that nothing is left there."""
    if place.server is None:
        return
    if left := place.server.left():
        yield f"{len(left)} mails are still in the mailbox"
    yield from getattr(place.server, "early", ())
