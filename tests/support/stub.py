"""Servers that can be told to lie: a thread for each connection, every received byte kept."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MANY = 1 << 20


class Talk:
    """One connection: read lines, send bytes; what came in is kept by the stub."""

    def __init__(self, sock: socket.socket, received: bytearray) -> None:
        self.sock, self.received = sock, received
        self._buffer = b""

    def line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            data = self.sock.recv(MANY)
            if not data:
                raise ConnectionResetError
            self.received += data
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def forget(self) -> None:
        """Drop what came together with the last line."""
        self._buffer = b""

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = self.sock.recv(MANY)
            if not data:
                raise ConnectionResetError
            self.received += data
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def send(self, *lines: bytes) -> None:
        self.sock.sendall(b"".join(line + b"\r\n" for line in lines))

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)


@contextlib.contextmanager
def serve(handler: Callable[[Talk], None]) -> Iterator[tuple[int, bytearray]]:
    """A server on a free port; gives the port and what it received so far."""
    received = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def talk(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            handler(Talk(sock, received))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _peer = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_sockets.append(sock)
                threads.append(threading.Thread(target=talk, args=(sock,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1], received
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in open_sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in [acceptor, *threads]:
            thread.join(5)


def stuffed(data: bytes) -> bytes:
    """A POP3 multi-line answer's body."""
    lines = data.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)


@dataclass
class Pop3Stub:
    """A POP3 server over these messages. ``answers``: raw bytes for a command, in the place of the right answer."""

    messages: list[bytes]
    uids: list[bytes] | None = None
    answers: dict[bytes, bytes | None] = field(default_factory=dict)
    greeting: bytes = b"+OK ready\r\n"
    deleted: list[int] = field(default_factory=list)

    def __call__(self, talk: Talk) -> None:
        talk.raw(self.greeting)
        marked: list[int] = []
        while True:
            line = talk.line()
            command, _, rest = line.partition(b" ")
            if line in self.answers or command in self.answers:
                answer = self.answers[line] if line in self.answers else self.answers[command]
                if answer is None:
                    return
                talk.raw(answer)
                continue
            if command == b"UIDL":
                uids = self.uids or [b"uid%d" % n for n in range(1, len(self.messages) + 1)]
                talk.send(b"+OK", *[b"%d %s" % pair for pair in enumerate(uids, 1)], b".")
            elif command == b"LIST":
                talk.send(b"+OK", *[b"%d 100" % n for n in range(1, len(self.messages) + 1)], b".")
            elif command == b"RETR" and int(rest) > len(self.messages):
                talk.send(b"-ERR no such message")
            elif command == b"RETR":
                talk.send(b"+OK 100 octets", stuffed(self.messages[int(rest) - 1]).removesuffix(b"\r\n"), b".")
            elif command == b"DELE":
                marked.append(int(rest))
                talk.send(b"+OK")
            elif command == b"QUIT":
                self.deleted += marked
                talk.send(b"+OK bye")
                return
            else:
                talk.send(b"+OK")


@dataclass
class ImapStub:
    """An IMAP server over these messages (UID -> bytes), with what it says made up where wanted."""

    messages: dict[int, bytes]
    capabilities: bytes = b"IMAP4rev1 UIDPLUS AUTH=PLAIN"
    greeting: bytes = b"* OK ready\r\n"
    validity: int = 7
    deleted: set[int] = field(default_factory=set)
    sizes: dict[int, int] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    answers: dict[bytes, bytes] = field(default_factory=dict)

    def __call__(self, talk: Talk) -> None:
        talk.raw(self.greeting)
        while True:
            tag, _, rest = talk.line().partition(b" ")
            command = rest.upper()
            special = next((answer for start, answer in self.answers.items() if command.startswith(start)), None)
            if special is not None:
                talk.raw(special.replace(b"TAG", tag))
                continue
            self._answer(talk, command)
            talk.send(tag + b" OK done")
            if command.startswith(b"LOGOUT"):
                return

    def _answer(self, talk: Talk, command: bytes) -> None:
        if command.startswith(b"CAPABILITY"):
            talk.send(b"* CAPABILITY " + self.capabilities)
        elif command.startswith(b"AUTHENTICATE"):
            talk.send(b"+ ")
            talk.line()
        elif command.startswith(b"IDLE"):
            talk.send(b"+ idling")
            talk.line()
        elif command.startswith(b"SELECT"):
            talk.send(b"* %d EXISTS" % len(self.messages), b"* OK [UIDVALIDITY %d] valid" % self.validity)
        elif command.startswith(b"UID SEARCH"):
            talk.send(b"* SEARCH" + b"".join(b" %d" % uid for uid in self._found(command)))
        elif command.startswith(b"UID STORE"):
            self.deleted |= set(self._uids(command))
        elif command.startswith(b"UID EXPUNGE"):
            self._expunge(self.deleted & set(self._uids(command)))
        elif command.startswith(b"EXPUNGE"):
            self._expunge(self.deleted)
        elif command.startswith(b"UID FETCH"):
            self._fetch(talk, command)

    def _uids(self, command: bytes) -> list[int]:
        numbers = re.search(rb"[0-9][0-9,:]*", command)
        spans = [part.partition(b":")[::2] for part in numbers[0].split(b",")] if numbers else []
        asked = [uid for first, last in spans for uid in range(int(first), int(last or first) + 1)]
        return [uid for uid in asked if uid in self.messages]

    def _found(self, command: bytes) -> list[int]:
        if b"DELETED" in command:
            return sorted(self.deleted)
        if b"SEARCH UID" in command:
            return self._uids(command)
        first, last = re.search(rb"(\d+):(\d+|\*)", command).groups()  # type: ignore[union-attr]  # the stub's own caller
        return sorted(self.messages)[int(first) - 1 : None if last == b"*" else int(last)]

    def _expunge(self, uids: set[int]) -> None:
        for uid in list(uids):
            del self.messages[uid]
        self.deleted -= uids

    def _fetch(self, talk: Talk, command: bytes) -> None:
        for number, uid in enumerate(self._uids(command), 1):
            data = self.messages[uid]
            if b"RFC822.SIZE" in command:
                talk.send(b"* %d FETCH (UID %d RFC822.SIZE %d)" % (number, uid, self.sizes.get(uid, len(data))))
            elif uid in self.bodies:
                talk.raw(self.bodies[uid])
            else:
                cap = int(re.search(rb"<0\.(\d+)>", command)[1])  # type: ignore[index]  # always a partial fetch
                data = data[:cap]
                talk.raw(b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n%s)\r\n" % (number, uid, len(data), data))
