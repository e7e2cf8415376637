"""Access tokens as Microsoft gives them to an application, signed by a key of the tests' own (openssl(1))."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

ISSUER = "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"
KEY_ID = "key-1"


@dataclass(frozen=True)
class Signer:
    """``keys`` is where Dovecot looks for the public key: ``<azp or default>/RS256/<kid>``."""

    folder: Path

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def make(self) -> Signer:
        place = self.keys / "default" / "RS256"
        place.mkdir(parents=True)
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.folder / "key"))
        _openssl("pkey", "-in", str(self.folder / "key"), "-pubout", "-out", str(place / KEY_ID))
        (place / KEY_ID).chmod(0o644)
        return self

    def token(self, *, issuer: str = ISSUER, lasts: int = 3600, key_id: str = KEY_ID) -> str:
        """A signed token that names no mailbox: client credentials know none (CALENDAR D1)."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "iat": now - 10,
            "nbf": now - 10,
            "exp": now + lasts,
            "sub": "app",
            "appid": "app",
        }
        signed = f"{_part({'alg': 'RS256', 'typ': 'JWT', 'kid': key_id})}.{_part(claims)}"
        signature = _openssl("dgst", "-sha256", "-sign", str(self.folder / "key"), stdin=signed.encode())
        return f"{signed}.{_encoded(signature)}"


def _part(value: dict[str, object]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


@contextmanager
def introspection(good: set[str]) -> Iterator[str]:
    """An RFC 7662 endpoint that knows these tokens; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            active = form.get("token", [""])[0] in good
            body = json.dumps({"active": active, "appid": "app"} if active else {"active": False}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/introspect"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
