"""HTTP for machines: ``/metrics`` for Prometheus, ``/health`` for load balancers and watchers.

Not for people: it has no sign-in. It is served where ``metrics`` says, on this machine or behind a proxy.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from crmservice.errors import CrmServiceError, TryLater

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

TIMEOUT_S = 10.0
MOST_REQUESTS = 16
"""At once; a further one is told to come later."""


class Endpoint:
    """Serves answers by path until closed. Raises CrmServiceError where the address can't be listened at."""

    def __init__(self, address: str, answers: dict[str, Callable[[], Answer]]) -> None:
        host, _colon, port = address.rpartition(":")
        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(answers))
        except OSError as fault:
            raise TryLater(
                "metrics: {address} can't be listened at: {why}", address=address, why=fault.strerror
            ) from fault
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened at."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(answers: dict[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    room = threading.BoundedSemaphore(MOST_REQUESTS)

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        server_version = "CRMService"
        sys_version = ""

        def do_GET(self) -> None:
            make = answers.get(self.path.partition("?")[0])
            if make is None:
                self._say(404, "text/plain", b"not found\n")
            elif not room.acquire(blocking=False):
                self._say(503, "text/plain", b"busy\n")
            else:
                try:
                    self._say(*_made(make))
                finally:
                    room.release()

        def _say(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Requests are not logged: they come every few seconds."""

    return Handler


def _made(make: Callable[[], Answer]) -> Answer:
    """The answer; a database that is away is an answer too."""
    try:
        return make()
    except CrmServiceError as fault:
        body = json.dumps({"status": "down", "troubles": [{"code": "database", "text": str(fault)}]})
        return 503, "application/json", body.encode() + b"\n"
