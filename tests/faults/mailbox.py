"""A mailbox on a server that writes down what it was made to delete, and whether that was durable here by then.

The server is in the test process: a worker that is killed, or a disk that loses power, takes nothing of it away.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from crmservice import bootstrap
from tests.support.stub import ImapStub, Talk, serve, stuffed

Probe = Callable[[bytes], str]
"""What of a mail is not durable at this moment; empty where all of it is."""


def durable_in(home: Path) -> Probe:
    """Asks a home, by a connection of its own that changes nothing, for the mail's row and its file."""
    bootstrap.prepare()
    import sqlite3

    def probe(raw: bytes) -> str:
        checksum = sha256(raw).hexdigest()
        connection = sqlite3.connect(f"file:{home / 'crmservice.db'}?mode=ro", uri=True, timeout=30)
        try:
            rows = connection.execute("SELECT path FROM crm_message WHERE sha256 = ?", [checksum]).fetchall()
        finally:
            connection.close()
        if not rows:
            return "no row"
        files = [home / path for (path,) in rows]
        if not all(file.is_file() and sha256(file.read_bytes()).hexdigest() == checksum for file in files):
            return "no file with its bytes"
        return ""

    return probe


@dataclass
class Mailbox:
    """Mail by its UID. ``reuses``: UIDs that became free are given again (a POP3 server that numbers its slots).

    ``answers_after``: seconds from a deletion to the word that it is done; who dies in between must know the mail again.
    ``early``: deletions that were asked for before the mail was durable here. ``removed``: the bytes of what is gone.
    ``most``: how many sessions there were at the same time. ``called``: set whenever one begins.
    """

    probe: Probe = lambda _raw: ""
    reuses: bool = False
    answers_after: float = 0.0
    waiting: dict[int, bytes] = field(default_factory=dict)
    removed: list[bytes] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    most: int = 0
    called: threading.Event = field(default_factory=threading.Event)
    asking: threading.Lock = field(default_factory=threading.Lock)
    _now: int = 0
    _last: int = 0

    def deliver(self, raw: bytes) -> None:
        """A mail arrives."""
        with self.asking:
            self._last += 1
            uid = self._last
            if self.reuses:
                uid = next(one for one in range(1, len(self.waiting) + 2) if one not in self.waiting)
            self.waiting[uid] = raw

    def left(self) -> list[bytes]:
        """What is in it now."""
        return list(self.waiting.values())

    def look(self, raw: bytes) -> None:
        """Somebody wants this mail deleted: is it durable there?"""
        with self.asking:
            if missing := self.probe(raw):
                self.early.append(f"deleted before it was durable ({missing}): {raw[:80]!r}")

    def remove(self, uids: set[int]) -> None:
        """Delete them for good."""
        with self.asking:
            self.removed += [raw for uid in sorted(uids) if (raw := self.waiting.pop(uid, None)) is not None]
        time.sleep(self.answers_after)

    @contextlib.contextmanager
    def served(self, *protocols: str) -> Iterator[dict[str, int]]:
        """Servers over it; gives their ports by protocol (``pop3``, ``imap``)."""
        with contextlib.ExitStack() as servers:
            yield {name: servers.enter_context(serve(self._counted(name)))[0] for name in protocols}

    def _counted(self, protocol: str) -> Callable[[Talk], None]:
        handlers: dict[str, Callable[[Talk], None]] = {"pop3": self._pop3, "imap": _ImapSide(self)}

        def handle(talk: Talk) -> None:
            with self.asking:
                self._now += 1
                self.most = max(self.most, self._now)
            self.called.set()
            try:
                handlers[protocol](talk)
            finally:
                with self.asking:
                    self._now -= 1

        return handle

    def _pop3(self, talk: Talk) -> None:
        """A session of RFC 1939: the numbers are those of its beginning, and QUIT alone deletes."""
        with self.asking:
            mails = dict(enumerate(sorted(self.waiting.items()), 1))
        marked: set[int] = set()
        talk.send(b"+OK ready")
        while True:
            command, _, rest = talk.line().partition(b" ")
            if command == b"UIDL":
                talk.send(b"+OK", *[b"%d uid%d" % (number, uid) for number, (uid, _raw) in mails.items()], b".")
            elif command == b"RETR":
                talk.send(b"+OK", stuffed(mails[int(rest)][1]).removesuffix(b"\r\n"), b".")
            elif command == b"DELE":
                uid, raw = mails[int(rest)]
                self.look(raw)
                marked.add(uid)
                talk.send(b"+OK")
            elif command == b"QUIT":
                self.remove(marked)
                talk.send(b"+OK bye")
                return
            else:
                talk.send(b"-ERR" if command in (b"CAPA", b"STLS") else b"+OK")


class _ImapSide(ImapStub):
    """The same mailbox over IMAP. What is marked as deleted is looked at, as anybody's EXPUNGE would take it."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(mailbox.waiting)
        self._mailbox = mailbox

    def _answer(self, talk: Talk, command: bytes) -> None:
        if command.startswith(b"UID STORE"):
            for uid in self._uids(command):
                self._mailbox.look(self.messages[uid])
        super()._answer(talk, command)

    def _expunge(self, uids: set[int]) -> None:
        self._mailbox.remove(uids)
        self.deleted -= uids


@dataclass
class Folder(Mailbox):
    """The same for mail that lies in a folder (``emlDir``): nobody sees when a worker looks there."""

    path: Path = Path()

    def deliver(self, raw: bytes) -> None:
        """A file appears, whole."""
        self._last += 1
        part = self.path / f"{self._last:05}.part"
        part.write_bytes(raw)
        part.rename(part.with_suffix(".eml"))

    def left(self) -> list[bytes]:
        """What lies in it."""
        found = []
        for file in sorted(self.path.iterdir()):
            with contextlib.suppress(FileNotFoundError):  # a worker took it in between
                found.append(file.read_bytes())
        return found

    @contextlib.contextmanager
    def served(self, *_protocols: str) -> Iterator[dict[str, int]]:
        """There is nothing to serve."""
        yield {}
