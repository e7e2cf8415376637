"""The line between a worker and its server, which breaks in every way a line can (TRUST.md C8, C9).

A proxy on this machine in the place of ``tc``, ``nft`` and a link that goes down: the kernel of a test machine need not have them.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

BREAKS = ("cut", "reset")
"""The connection ends: in order, or with RST."""

STALLS = ("half_client", "half_server", "black_hole", "drip")
"""It stays: one side is heard no more, nothing comes any more, or a byte in a while."""

DRIP_S = 0.1
LOOK_S = 0.2
PIECE = 4096


@dataclass
class Line:
    """Passes connections on to ``port``, each with one of ``kinds`` of faults after so many bytes; with none once ``clean``."""

    port: int
    kinds: tuple[str, ...]
    chance: random.Random
    most: int
    """Bytes after which a fault strikes at the latest."""
    struck: Counter[str] = field(default_factory=Counter)
    clean: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def open(self) -> Iterator[int]:
        """The line's own port."""
        listener = socket.create_server(("127.0.0.1", 0))
        threads = [threading.Thread(target=self._accept, args=(listener,))]
        threads[0].start()
        try:
            yield listener.getsockname()[1]
        finally:
            self.done.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            threads[0].join(10)

    def _accept(self, listener: socket.socket) -> None:
        threads = []
        with contextlib.suppress(OSError):
            while True:
                client, _peer = listener.accept()
                connection = _Connection(self, client, "" if self.clean else self.chance.choice(self.kinds))
                threads.append(threading.Thread(target=connection.carry))
                threads[-1].start()
        for thread in threads:
            thread.join(10)


class _Connection:
    """One connection. ``_left``: bytes, of both ways, until its fault strikes."""

    def __init__(self, line: Line, client: socket.socket, kind: str) -> None:
        self._line, self._kind, self._struck = line, kind, False
        self._client, self._server = client, socket.create_connection(("127.0.0.1", line.port))
        self._left = int(line.most ** line.chance.random())  # as many strike in the talk before the mail as in the mail

    def carry(self) -> None:
        """Pass bytes both ways until both sides have ended, or the fault ends it."""
        to = {self._client: self._server, self._server: self._client}
        with self._client, self._server, contextlib.suppress(OSError):
            while to and not self._line.done.is_set():
                for source in select.select(list(to), [], [], LOOK_S)[0]:
                    if data := source.recv(PIECE):
                        self._take(data, to[source])
                    else:
                        to.pop(source).shutdown(socket.SHUT_WR)

    def _take(self, data: bytes, sink: socket.socket) -> None:
        if not self._kind:
            sink.sendall(data)
            return
        sink.sendall(data[: self._left])
        rest = data[self._left :]
        self._left -= len(data) - len(rest)
        if rest:
            self._strike(rest, sink)

    def _strike(self, rest: bytes, sink: socket.socket) -> None:
        """What becomes of the rest. Raises OSError where the connection ends."""
        silent = {"black_hole": None, "half_client": self._server, "half_server": self._client}.get(self._kind, self)
        if silent not in (None, self, sink):
            sink.sendall(rest)
            return
        self._line.struck[self._kind] += not self._struck
        self._struck = True
        if self._kind == "drip":
            self._drip(rest, sink)
        elif self._kind in BREAKS:
            if self._kind == "reset":
                for sock in (self._client, self._server):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionAbortedError

    def _drip(self, rest: bytes, sink: socket.socket) -> None:
        for byte in rest:
            if self._line.done.wait(DRIP_S):
                return
            sink.sendall(bytes([byte]))
