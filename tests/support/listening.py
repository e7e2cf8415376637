"""A listener of smtp_in in a thread, with a store in memory, and a sender that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crmservice.config import Box
from crmservice.sources.smtp_in import CantListen
from crmservice.sources.smtp_in.server import serve
from crmservice.sources.smtp_in.terms import Terms

WAIT_S = 20
BOX = Box("crm", "crm@firma.cz", our_domains=frozenset({"firma.cz"}))


@dataclass
class MemoryStore:
    """Keeps what it takes, a list for each batch. ``faults``: raised one after another; ``open``: cleared, it waits."""

    batches: list[list[bytes]] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: bool = False

    def __post_init__(self) -> None:
        self.open.set()

    def begin(self) -> None:
        """Nothing is left of before."""

    def take(self, mails: Sequence[bytes]) -> list[int]:
        self.entered.release()
        assert self.open.wait(WAIT_S)
        if self.faults:
            raise self.faults.pop(0)
        first = len(self.mails) + 1
        self.batches.append(list(mails))
        return list(range(first, first + len(mails)))

    def end(self) -> None:
        self.ended = True

    @property
    def mails(self) -> list[bytes]:
        return [mail for batch in self.batches for mail in batch]


class Sender:
    """One connection. ``say`` sends lines and gives the code that comes back; ``raw`` sends bytes as they are."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._lines = self.sock.makefile("rb")

    def reply(self) -> str:
        """The next reply, its lines joined by a new line; empty where the connection ended."""
        lines = []
        with contextlib.suppress(ConnectionResetError):
            while line := self._lines.readline():
                lines.append(line.decode().rstrip("\r\n"))
                if line[3:4] != b"-":
                    break
        return "\n".join(lines)

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def say(self, line: str) -> str:
        self.raw(f"{line}\r\n".encode())
        return self.reply()

    def greet(self, hello: str = "EHLO me") -> str:
        assert self.reply().startswith("220 ")
        return self.say(hello)

    def envelope(self, *recipients: str, sender: str = "eva@acme.cz") -> None:
        """Everything up to the 354."""
        assert self.say(f"MAIL FROM:<{sender}>").startswith("250")
        for recipient in recipients or ("crm@firma.cz",):
            assert self.say(f"RCPT TO:<{recipient}>").startswith("250")
        assert self.say("DATA").startswith("354")

    def deliver(self, mail: bytes, *recipients: str) -> str:
        """Deliver a mail whose lines end with CR LF and begin with no dot."""
        self.envelope(*recipients)
        self.raw(mail + b".\r\n")
        return self.reply()

    def tls(self) -> None:
        """Begin TLS, believing any certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._lines.close()
        self.sock = context.wrap_socket(self.sock)
        self._lines = self.sock.makefile("rb")

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


@dataclass
class Listening:
    """A running listener: its store, what it told, and connections to it."""

    port: int
    store: MemoryStore
    told: list[str]
    stop: threading.Event
    thread: threading.Thread
    senders: list[Sender] = field(default_factory=list)

    def connect(self) -> Sender:
        sender = Sender(self.port)
        self.senders.append(sender)
        return sender

    def sender(self, hello: str = "EHLO me") -> Sender:
        """A connection that has greeted."""
        sender = self.connect()
        assert sender.greet(hello).startswith("250")
        return sender

    def end(self) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def listening(terms: Terms, store: MemoryStore | None = None) -> Iterator[Listening]:
    """A listener on a free port of the loopback."""
    sock = socket.create_server(("127.0.0.1", 0))
    kept = store or MemoryStore()
    told: list[str] = []
    stop = threading.Event()

    def wrong(fault: CantListen) -> None:
        told.append(str(fault))

    work = threading.Thread(target=lambda: asyncio.run(serve(sock, terms, kept, told.append, wrong, stop.is_set)))
    running = Listening(sock.getsockname()[1], kept, told, stop, work)
    work.start()
    try:
        yield running
    finally:
        kept.open.set()
        for sender in running.senders:
            sender.close()
        running.end()
        sock.close()


def terms(folder: Path, box: Box = BOX, **more: float) -> Terms:
    """Terms whose large messages wait in this folder."""
    return Terms(box, folder, **{"watch": 0.01, **more})  # type: ignore[arg-type]
