"""Durable first, deleted after: proven on the system calls of a run (TRUST.md C4)."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.fixtures import Figures
from tests.faults.forward import forwarded
from tests.faults.order import Order
from tests.faults.place import BOX, environment, mail, make_place
from tests.faults.strace import CALLS, Call, calls, why_not
from tests.support.dovecot import Dovecot

NAME = "071df737-d6c1-4288-a627-7a67203022a1.eml"
FOLDER = "/home/POP3Downloads/2026-11-24"
RETRIEVE = [
    '9 sendto(7<socket:[1]>, "RETR 1\\r\\n", 8, 0, NULL, 0) = 8',
    '9 recvfrom(7<socket:[1]>, "+OK\\r\\nMessage-ID: <1@x>\\r\\n\\r\\n.\\r\\n", 9, 0, NULL, NULL) = 29',
]
WRITE = f'9 write(9<{FOLDER}/{NAME}.tmp>, "Message-ID: <1@x>\\r\\n", 19) = 19'
SYNC = f"9 fsync(9<{FOLDER}/{NAME}.tmp>) = 0"
RENAME = f'9 renameat(8<{FOLDER}>, "{NAME}.tmp", 8<{FOLDER}>, "{NAME}") = 0'
SYNC_FOLDER = f"9 fsync(8<{FOLDER}>) = 0"
ELSEWHERE = "9 fsync(8</home/.crmservice/crm.arriving>) = 0"
ROW = f'9 pwrite64(6</home/crmservice.db-wal>, "\\0\\rPOP3Downloads/2026-11-24/{NAME}\\0", 4096, 80) = 4096'
COMMIT = "9 fdatasync(6</home/crmservice.db-wal>) = 0"
DELETE = '9 sendto(7<socket:[1]>, "DELE 1\\r\\n", 8, 0, NULL, 0) = 8'
RIGHT = [*RETRIEVE, WRITE, SYNC, RENAME, SYNC_FOLDER, ROW, COMMIT, DELETE]


def _order(lines: Sequence[str]) -> Order:
    return Order().read(calls(lines))


def _without(line: str) -> list[str]:
    return [one for one in RIGHT if one != line]


def _swapped(first: str, second: str) -> list[str]:
    names = {first: second, second: first}
    return [names.get(one, one) for one in RIGHT]


def test_the_right_order_is_found_right() -> None:
    order = _order(RIGHT)
    assert (order.wrong, order.deleted) == ([], {"1@x"})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (_without(SYNC), "renamed before it was synced"),
        (_swapped(SYNC, RENAME), "renamed before it was synced"),
        (_without(SYNC_FOLDER), "committed before it was folder synced"),
        (_swapped(SYNC_FOLDER, COMMIT), "deleted before it was committed"),
        ([*RIGHT[:5], ROW, COMMIT, SYNC_FOLDER, DELETE], "committed before it was folder synced"),
        (_without(RENAME), "committed before it was renamed"),
        (_without(COMMIT), "deleted before it was committed"),
        (_without(ROW), "deleted before it was committed"),
        (_swapped(COMMIT, DELETE), "deleted before it was committed"),
        ([line.replace("DELE 1", "DELE 2") for line in RIGHT], "a mail that was never read"),
        ([ELSEWHERE if line == SYNC_FOLDER else line for line in RIGHT], "committed before it was folder synced"),
        ([f"{SYNC[:-4]} = -1 EIO (Input/output error)" if line == SYNC else line for line in RIGHT], "before it was synced"),
    ],
)  # fmt: skip
def test_a_planted_wrong_order_is_found(lines: list[str], said: str) -> None:
    assert any(said in one for one in _order(lines).wrong)


def test_calls_that_took_turns_are_put_together() -> None:
    lines = [
        f"9 fsync(9<{FOLDER}/{NAME}.tmp> <unfinished ...>",
        '8 write(1<pipe:[2]>, "a \\"quoted\\" word)", 17) = 17',
        "9 <... fsync resumed>)            = 0",
        "8 --- SIGCHLD {si_signo=SIGCHLD} ---",
    ]
    assert list(calls(lines)) == [
        Call("write", ("pipe:[2]",), ('a \\"quoted\\" word)',), 17),
        Call("fsync", (f"{FOLDER}/{NAME}.tmp",), (), 0),
    ]


def test_an_imap_deletion_names_its_mails_by_uid() -> None:
    fetched = '9 recvfrom(7<socket:[1]>, "* 1 FETCH (UID 4 BODY[]<0> {9}\\r\\nMessage-ID: <1@x>\\r\\n)", 9, 0) = 9'
    lines = [fetched, '9 sendto(7<socket:[1]>, "A8 UID STORE 3:4 +FLAGS.SILENT", 9, 0) = 9',
             '9 sendto(7<socket:[1]>, " (\\\\Deleted)\\r\\n", 9, 0) = 9']  # fmt: skip
    assert _order(lines).deleted == {"1@x", "a mail that was never read (3)"}


@pytest.mark.server
@pytest.mark.parametrize("mails", [100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("protocol", "port"), [("pop3", 110), ("imap", 143)])
def test_a_mail_is_durable_before_it_is_deleted(
    protocol: str, port: int, mails: int, server: Dovecot, template: Path, tmp_path: Path, figures: Figures
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    server.empty()
    with forwarded(port, server.ports[protocol]) as where:
        keys: dict[str, str | list[str]] = {f"{protocol}Url": where, f"{protocol}Name": BOX}
        place = make_place(template, tmp_path / "home", {**keys, f"{protocol}Password": server.password}, server)
        place.deliver([mail(number) for number in range(mails)])
        order = _traced(place.command("run", "--once"), tmp_path / "trace")
    assert order.wrong == []
    assert order.deleted == {f"mail-{number:05}@acme.cz" for number in range(mails)}
    assert place.faults() == []
    figures("C4", f"{protocol}, Dovecot: {len(order.deleted)} mails, 0 violations")


def _traced(command: Sequence[str], trace: Path) -> Order:
    traced = ["strace", "-f", "-y", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(trace), *command]
    done = subprocess.run(traced, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    with trace.open(errors="replace") as lines:
        return Order().read(calls(lines))
