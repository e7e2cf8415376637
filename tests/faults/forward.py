"""A forwarder on port 110 or 143 of a loopback address of its own, where the service speaks without TLS."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def forwarded(port: int, to: int) -> Iterator[str]:
    """Pass on connections to ``port`` (110, 143) of an address that nobody else uses; gives ``address:port``.

    Plain text on loopback alone is what these ports mean (SPEC chapter 2); a trace of system calls can be read then.
    """
    threads: list[threading.Thread] = []
    listener = _listener(port)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _peer = listener.accept()
                server = socket.create_connection(("127.0.0.1", to))
                for pair in ((client, server), (server, client)):
                    threads.append(threading.Thread(target=_pump, args=pair))
                    threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield f"{listener.getsockname()[0]}:{port}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(5)


def _listener(port: int) -> socket.socket:
    """A listener on a loopback address that nobody else uses."""
    for _ in range(100):
        address = f"127.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        with contextlib.suppress(OSError):
            return socket.create_server((address, port))
    msg = f"no loopback address has port {port} free; it takes root"
    raise RuntimeError(msg)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
