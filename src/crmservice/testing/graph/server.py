"""The stand-in's server: tokens, authorisation, the road of a request through the faults to its route, and the record."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import httpx

from crmservice.testing.graph.schema import violations

IMMUTABLE = 'IdType="ImmutableId"'


@dataclass(frozen=True)
class Request:
    """What came. ``path``: below the endpoint, unquoted segment by segment; ``at``: by the server's clock."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def mailbox(self) -> str:
        """Whose it is, in lower case."""
        return self.path[1].lower() if len(self.path) > 1 and self.path[0] == "users" else ""

    @property
    def immutable(self) -> bool:
        """Whether it asks for ids that stay."""
        return IMMUTABLE in self.headers.get("Prefer", "")


@dataclass
class Answer:
    """What goes back. ``schema``: what the body is.

    ``cut``: the connection breaks after so many bytes of the body; ``lost``: before the answer.
    """

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    schema: str = ""
    cut: int | None = None
    lost: bool = False


Proceed = Callable[[], Answer]
Fault = Callable[[Request, Proceed], Answer]
"""Stands between a request and its right answer, ``proceed()``: it may change it, or answer itself."""

Route = Callable[..., Answer]


def resource(found: object, schema: str, status: int = 200) -> Answer:
    """An answer with a resource that is as the definition ``schema`` says."""
    return Answer(status, json.dumps(found, ensure_ascii=False).encode(), schema=schema)


def refusal(status: int, code: str, message: str = "Refused.", **headers: str) -> Answer:
    """An error as Graph words it."""
    inner = {"date": "2026-11-25T12:00:00", "request-id": str(uuid.uuid4()), "client-request-id": str(uuid.uuid4())}
    error = {"error": {"code": code, "message": message, "innerError": inner}}
    return Answer(status, json.dumps(error).encode(), headers=headers, schema="odataError")


class GraphServer:
    """The stand-in. ``routes``: method, pattern of the path and what answers. ``with server.running():`` serves it.

    ``roles``: the application's permissions. ``violations``: whatever of a request or an answer was not as described.
    ``clock`` counts seconds; a test's may stand still.
    """

    def __init__(
        self,
        roles: frozenset[str] = frozenset(),
        secret: str = "stand-in-secret",
        token_seconds: int = 3599,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.roles, self.secret, self.token_seconds, self.clock = roles, secret, token_seconds, clock
        self.tenant, self.client_id = "11111111-2222-3333-4444-555555555555", "crmservice-application"
        self.routes: list[tuple[str, str, Route]] = []
        self.faults: list[Fault] = []
        self.token_faults: list[Callable[[], Answer | None]] = []
        self.requests: list[Request] = []
        self.token_requests: list[dict[str, str]] = []
        self.violations: list[str] = []
        self.most_at_once: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._tokens: dict[str, float] = {}
        self.lock = threading.RLock()
        self.origin = ""

    # Where it is

    @property
    def graph_uri(self) -> str:
        """``web.graph_uri`` of MicrosoftOAuth.json."""
        return f"{self.origin}/v1.0"

    def oauth_json(self, secret: str = "") -> str:
        """A MicrosoftOAuth.json for this server."""
        web = {
            "client_id": self.client_id,
            "tenant_id": self.tenant,
            "token_uri": f"{self.origin}/organizations/oauth2/v2.0/token",
            "client_secret": secret or self.secret,
            "graph_uri": self.graph_uri,
        }
        return json.dumps({"web": web}, indent=2)

    @contextmanager
    def running(self, port: int = 0) -> Iterator[Self]:
        """Serve on this machine alone; 0: a port that is free."""
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def expire_tokens(self) -> None:
        """No token that was given out is good any more."""
        with self.lock:
            self._tokens.clear()

    # Answering

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to a request of HTTP."""
        parts = urlsplit(target)
        segments = tuple(unquote(one) for one in parts.path.removeprefix("/").split("/"))
        if len(segments) == 4 and segments[1:] == ("oauth2", "v2.0", "token"):
            return self._token(segments[0], body)
        if segments[0] != "v1.0":
            return Answer(404, b"<html>not found</html>", "text/html")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(method, segments[1:], query, headers, body, self.clock())
        with self.lock:
            self.requests.append(request)
            self._now[request.mailbox] += 1
            self.most_at_once[request.mailbox] = max(self.most_at_once[request.mailbox], self._now[request.mailbox])
        try:
            return self._checked(request, self._through(request, list(self.faults)))
        finally:
            with self.lock:
                self._now[request.mailbox] -= 1

    def _through(self, request: Request, faults: list[Fault]) -> Answer:
        if faults:
            return faults[0](request, lambda: self._through(request, faults[1:]))
        with self.lock:
            return self._authorised(request)

    def _authorised(self, request: Request) -> Answer:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, float("-inf")) <= self.clock():
            return refusal(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
        for method, pattern, route in self.routes:
            if method == request.method and (found := re.fullmatch(pattern, "/".join(request.path))):
                return route(request, **found.groupdict())
        return refusal(400, "BadRequest", f"Resource not found for the segment '{request.path[-1]}'.")

    def _checked(self, request: Request, answer: Answer) -> Answer:
        """The answer, with what is wrong with it or the request noted."""
        name = f"{request.method} /{'/'.join(request.path)}"
        wrong = [] if "client-request-id" in request.headers else ["no client-request-id"]
        if request.body and "Content-Type" not in request.headers:
            wrong.append("a body of no Content-Type")
        if answer.schema:
            wrong += violations(answer.schema, json.loads(answer.body))
        with self.lock:
            self.violations += [f"{name}: {one}" for one in wrong]
        answer.headers.setdefault("request-id", str(uuid.uuid4()))
        if request.immutable:
            answer.headers.setdefault("Preference-Applied", IMMUTABLE)
        return answer

    # Tokens

    def _token(self, tenant: str, body: bytes) -> Answer:
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        with self.lock:
            self.token_requests.append(form)
            for fault in self.token_faults:
                if (answer := fault()) is not None:
                    return answer
            if tenant != self.tenant:
                return entra_refusal(90002, "invalid_request")
            if form.get("client_id") != self.client_id:
                return entra_refusal(700016, "unauthorized_client")
            if form.get("client_secret") != self.secret:
                return entra_refusal(7000215, "invalid_client", 401)
            if form.get("grant_type") != "client_credentials" or not form.get("scope", "").endswith("/.default"):
                return entra_refusal(1002012, "invalid_scope")
            token = self.new_token(form["scope"])
        given = {"token_type": "Bearer", "expires_in": self.token_seconds, "access_token": token}
        return Answer(body=json.dumps(given).encode())

    def new_token(self, scope: str) -> str:
        """A token that is accepted for ``token_seconds``; its claims say what Microsoft's say."""
        claims = {"aud": scope.removesuffix("/.default"), "appid": self.client_id, "tid": self.tenant}
        parts = ({"alg": "RS256"}, {**claims, "roles": sorted(self.roles), "uti": str(uuid.uuid4())}, {"sig": "none"})
        made = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        self._tokens[made] = self.clock() + self.token_seconds
        return made


def entra_refusal(code: int, error: str, status: int = 400, **headers: str) -> Answer:
    """A refused token, as Microsoft Entra words it; it repeats what it was sent, as servers may."""
    text = f"AADSTS{code}: refused.\r\nTrace ID: 1\r\nCorrelation ID: 2\r\nTimestamp: 2026-11-25 12:00:00Z"
    body = {"error": error, "error_description": text, "error_codes": [code], "trace_id": "1", "correlation_id": "2"}
    return Answer(status, json.dumps(body).encode(), headers=headers)


def _handler(server: GraphServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer leaves whole, not its head first

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found = server.answer(self.command, self.path, httpx.Headers(self.headers.items()), body)
            if found.lost:
                self.close_connection = True
                return
            self.send_response_only(found.status)
            self.send_header("Date", found.headers.pop("Date", formatdate(usegmt=True)))
            if found.status != 204:
                self.send_header("Content-Type", found.kind)
                self.send_header("Content-Length", str(len(found.body)))
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.body[: found.cut])
            if found.cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = answer  # noqa: N815 (http.server's names)

        def log_message(self, *_said: Any) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

    return Handler
