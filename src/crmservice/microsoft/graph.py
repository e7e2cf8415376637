"""Microsoft Graph by HTTP: for one mailbox, within its limits, for mail and calendars alike (CALENDAR A1 to A7).

Throttling is obeyed, a token that ran out is renewed in the middle of a round, a link is followed to the configured host
alone (a token goes with it), and ids are the immutable ones on every request (``Prefer`` holds for one request only).
"""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx

from crmservice.errors import CrmServiceError
from crmservice.microsoft import pace, tokens, wire
from crmservice.microsoft.faults import (
    BadAnswer,
    Denied,
    GraphError,
    GraphTrouble,
    Throttled,
    Unreachable,
    from_answer,
)
from crmservice.tls import Timeouts, explain

PATIENCE = 120.0
"""Seconds that one request may be kept waiting by throttling; longer, and the next cycle goes on. A person waits less."""

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_FAULT_BYTES = 64 * 1024
MAX_PAGES = 10_000
MAX_EMPTY = 100
"""Pages in a row that hold nothing: a server whose pages have no end must not be asked for hours."""
LONGEST_PAUSE = 300.0

_IMMUTABLE = 'IdType="ImmutableId"'

T = TypeVar("T")
S = TypeVar("S")


class Body(NamedTuple):
    """A downloaded body; not ``whole``: it is longer than allowed, and this is its beginning."""

    data: bytes
    whole: bool


class _Ask(NamedTuple):
    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]
    repeatable: bool


class Graph:
    """Asks Graph about one mailbox. ``base``: gives the endpoint's URL when it is first needed.

    Threads may share it; ``close`` ends its connections, and the next request opens new ones. Every method raises
    GraphError and TokenError. ``jitter`` gives a number between two others.
    """

    def __init__(
        self,
        base: Callable[[], str],
        token: tokens.Token,
        its_pace: pace.Pace,
        timeouts: Timeouts | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._base_of, self._token, self._pace = base, token, its_pace
        self._timeouts, self._jitter = timeouts or Timeouts(), jitter
        self._patience = min(PATIENCE, self._timeouts.session)
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._denied = False

    def get(self, path: str, *, prefer: Sequence[str] = ()) -> dict[str, Any]:
        """A resource. ``path``: below the endpoint, quoted, with its query."""
        return self.call("GET", path, prefer=prefer)

    def pages(self, path: str, *, prefer: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """The pages of a collection, in their order; one may be empty and still not be the last."""
        url, seen, empty = path, set[str](), 0
        while url:
            page = self.get(url, prefer=prefer)
            if not isinstance(page.get("value"), list):
                raise BadAnswer("Graph sends no list")
            yield page
            seen.add(url)
            url = str(page.get("@odata.nextLink") or "")
            empty = 0 if page["value"] else empty + 1
            if url in seen or len(seen) >= MAX_PAGES or empty >= MAX_EMPTY:
                raise BadAnswer("Graph's pages have no end")

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        prefer: Sequence[str] = (),
        repeatable: bool | None = None,
    ) -> dict[str, Any]:
        """One request with a JSON body, if any; the answer's object, empty where there is none.

        ``repeatable``: sent twice it does the same as once, so it may be sent again where its answer was lost.
        """
        sent = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Accept": "application/json", "Prefer": ", ".join([_IMMUTABLE, *prefer])}
        if sent is not None:
            headers["Content-Type"] = "application/json"
        again = method in {"GET", "DELETE"} if repeatable is None else repeatable
        return self._send(_Ask(method, self._url(path), sent, headers, again), _object)

    def download(self, path: str, limit: int) -> Body:
        """What lies there, byte for byte, or its first ``limit`` + 1 bytes."""
        ask = _Ask("GET", self._url(path), None, {"Accept": "*/*", "Prefer": _IMMUTABLE}, repeatable=True)
        return self._send(ask, lambda answer: _body(answer, limit))

    def at_once(self, function: Callable[[S], T], items: Sequence[S]) -> Iterator[T | CrmServiceError]:
        """``function`` of each item, in their order; as many at a time as the mailbox allows. A fault takes its place."""

        def tried(item: S) -> T | CrmServiceError:
            try:
                return function(item)
            except CrmServiceError as fault:
                return fault

        if len(items) < 2:
            yield from map(tried, items)
            return
        pool = ThreadPoolExecutor(pace.AT_ONCE)
        try:
            yield from pool.map(tried, items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the connections; whoever waits for a turn gives up."""
        with self._lock:
            client, self._client, self._denied = self._client, None, False
        if client is not None:
            client.close()

    # One request

    def _send(self, ask: _Ask, read: Callable[[httpx.Response], T]) -> T:
        client = self._open()
        waited, tries, renewed = 0.0, 0, False
        while True:
            token = self._token()
            try:
                with self._pace.slot():
                    waited += self._pace.wait(self._patience - waited, lambda: self._client is not client)
                    return self._attempt(client, ask, token, read)
            except pace.TooSoon as early:
                raise _wait_longer(early.seconds) from None
            except Denied as fault:
                fault.roles = tokens.roles(token)
                self._drop(token, fault)
                if fault.status != 401 or renewed:
                    raise
                renewed = True
            except (Throttled, GraphTrouble, Unreachable) as fault:
                tries += 1
                if not self._again(ask, fault, tries):
                    raise
                self._pace.hold(self._pause(fault, tries))

    def _attempt(self, client: httpx.Client, ask: _Ask, token: str, read: Callable[[httpx.Response], T]) -> T:
        headers = {**ask.headers, "Authorization": f"Bearer {token}", "client-request-id": str(uuid.uuid4())}
        try:
            with client.stream(ask.method, ask.url, content=ask.body, headers=headers) as answer:
                if not 200 <= answer.status_code < 300:
                    raise from_answer(answer.status_code, answer.headers, _beginning(answer, MAX_FAULT_BYTES))
                return read(answer)
        except (httpx.HTTPError, OSError) as error:
            why = explain(wire.cause(error))
        except RuntimeError:
            if not client.is_closed:  # by another thread, which ends the session
                raise
            why = explain(ConnectionResetError())
        raise Unreachable("{host}: {why}", host=httpx.URL(ask.url).netloc.decode(), why=why)

    def _drop(self, token: str, fault: Denied) -> None:
        """The next token may have a right that this one lacks; once in a session is often enough to look."""
        with self._lock:
            drop = fault.status == 401 or not self._denied
            self._denied = True
        if drop:
            self._token.refused(token)

    def _again(self, ask: _Ask, fault: GraphError, tries: int) -> bool:
        """Whether to send it once more. A 429 did nothing, so any request may follow it."""
        if not ask.repeatable and fault.status != 429:
            return False
        most = {Unreachable: 1, GraphTrouble: 3}.get(type(fault), 30)
        return tries <= most

    def _pause(self, fault: GraphError, tries: int) -> float:
        """What Graph asks for; else 2^n s with jitter (CALENDAR A7). A broken connection is opened anew at once."""
        if isinstance(fault, Unreachable):
            return 0.0
        return fault.retry_after or min(2.0**tries, LONGEST_PAUSE) * self._jitter(0.5, 1.0)

    # Where to

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = wire.client(self._timeouts, pace.AT_ONCE)
            return self._client

    def _url(self, path: str) -> str:
        base = self._base_of().rstrip("/")
        if "://" not in path.partition("?")[0]:
            return f"{base}/{path}"
        if _origin(path) != _origin(base):
            raise BadAnswer("Graph links to another server, which is not followed: a token goes with it")
        return path


def graph_of(root_path: Path, home: Path, mailbox: str, timeouts: Timeouts | None = None) -> Graph:
    """Graph for this mailbox, by the application that MicrosoftOAuth.json names; it is read at each request."""
    token = tokens.graph_token(root_path, home)
    kept = pace.KEPT.of(root_path, home, mailbox.lower())
    return Graph(lambda: tokens.KEPT.application(root_path, home).graph_uri, token, kept, timeouts)


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None for what is no URL."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return None
    return None if found.userinfo else (found.scheme, found.host.lower(), found.port)


def _wait_longer(seconds: float) -> Throttled:
    """Nothing was sent: it asked to be left alone for longer than a request waits."""
    fault = Throttled("Graph asks to be left alone for {seconds} s more", seconds=round(seconds))
    fault.retry_after = seconds
    return fault


def _beginning(answer: httpx.Response, most: int) -> bytes:
    """The first bytes of a body, at least ``most`` of them if there are so many."""
    body = bytearray()
    for piece in answer.iter_raw():
        body += piece
        if len(body) >= most:
            break
    return bytes(body)


def _object(answer: httpx.Response) -> dict[str, Any]:
    _as_it_is(answer)
    body = _beginning(answer, MAX_ANSWER_BYTES)
    if not body:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadAnswer("what Graph sends is no JSON object")
    return found


def _body(answer: httpx.Response, limit: int) -> Body:
    """Nothing but a whole message is one: what a gateway puts in its place would be filed, and the original deleted."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.status_code != 200 or kind in {"text/html", "application/json"}:
        raise BadAnswer("Graph sends {kind} in the place of the message", kind=kind or f"HTTP {answer.status_code}")
    _as_it_is(answer)
    framed = "chunked" in answer.headers.get("Transfer-Encoding", "").lower() or "Content-Length" in answer.headers
    if not framed:
        raise BadAnswer("Graph does not say where the message ends")
    data = _beginning(answer, limit + 1)
    if not data:
        raise BadAnswer("Graph sends nothing in the place of the message")
    return Body(data[: limit + 1], len(data) <= limit)


def _as_it_is(answer: httpx.Response) -> None:
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise BadAnswer("Graph compresses what was to come as it is")
