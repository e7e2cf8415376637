"""What can go wrong at Graph, as switches of the stand-in: ``server.faults.append(unavailable(0.2))``."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from crmservice.testing.graph.server import Answer, Fault, GraphServer, Proceed, Request, refusal


def every(count: int, fault: Fault) -> Fault:
    """The fault at each so many-th request, the right answer at the others."""
    seen = 0

    def chosen(request: Request, proceed: Proceed) -> Answer:
        nonlocal seen
        seen += 1
        return fault(request, proceed) if seen % count == 0 else proceed()

    return chosen


def once(fault: Fault, *, after: int = 0, when: Callable[[Request], bool] = lambda _request: True) -> Fault:
    """The fault at one request alone: the first that ``when`` chooses after so many others of these."""
    left = after + 1

    def chosen(request: Request, proceed: Proceed) -> Answer:
        nonlocal left
        if when(request):
            left -= 1
            if left == 0:
                return fault(request, proceed)
        return proceed()

    return chosen


def only(when: Callable[[Request], bool], fault: Fault) -> Fault:
    """The fault at those requests that ``when`` chooses."""
    return lambda request, proceed: fault(request, proceed) if when(request) else proceed()


def throttled(seconds: float | None, *, as_date: bool = False, status: int = 429) -> Fault:
    """It asks to be left alone for so long, in seconds or until a date; None: it does not say how long."""

    def answer(_request: Request, _proceed: Proceed) -> Answer:
        now = time.time()
        headers = {"Date": formatdate(now, usegmt=True)}
        if seconds is not None:
            headers["Retry-After"] = formatdate(int(now) + seconds, usegmt=True) if as_date else f"{seconds:g}"
        return refusal(status, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", **headers)

    return answer


def unavailable(share: float, seed: int = 0, status: int = 503) -> Fault:
    """So large a share of the requests finds it unavailable."""
    chance = random.Random(seed)
    answer = refusing(status, "serviceNotAvailable")
    return lambda request, proceed: answer(request, proceed) if chance.random() < share else proceed()


def refusing(status: int, code: str, **headers: str) -> Fault:
    """This refusal."""
    return lambda _request, _proceed: refusal(status, code, **headers)


def token_ends(server: GraphServer) -> Fault:
    """The token ends just now."""

    def answer(_request: Request, proceed: Proceed) -> Answer:
        server.expire_tokens()
        return proceed()

    return answer


def slow(seconds: float) -> Fault:
    """The right answer, late."""

    def answer(_request: Request, proceed: Proceed) -> Answer:
        time.sleep(seconds)
        return proceed()

    return answer


def lost() -> Fault:
    """What was asked is done, and the connection breaks before the answer."""
    return _changed(lambda found: setattr(found, "lost", True))


def cut(after: int = 0) -> Fault:
    """The connection breaks within the answer's body."""
    return _changed(lambda found: setattr(found, "cut", min(after, max(0, len(found.body) - 1))))


def typed(kind: str) -> Fault:
    """The right answer under another Content-Type."""
    return _changed(lambda found: setattr(found, "kind", kind))


def page_instead(kind: str = "text/html") -> Fault:
    """What a gateway puts in an answer's place."""
    return lambda _request, _proceed: Answer(200, b"<html>This content was blocked.</html>", kind)


def linking(url: str) -> Fault:
    """Each page links to this next one."""

    def change(found: Answer) -> None:
        page = json.loads(found.body)
        if isinstance(page.get("value"), list):
            page["@odata.nextLink"] = url
            found.body = json.dumps(page).encode()

    return _changed(change)


def emptied(url: str) -> Fault:
    """Each page is empty and links to another one: ``url`` with a number behind it."""
    numbers = itertools.count()

    def change(found: Answer) -> None:
        page = json.loads(found.body)
        if isinstance(page.get("value"), list):
            page |= {"value": [], "@odata.nextLink": f"{url}{next(numbers)}"}
            found.body = json.dumps(page).encode()

    return _changed(change)


def renamed(row: int, name: str) -> Fault:
    """The so many-th message of each page, counted from 1, has this id."""

    def change(found: Answer) -> None:
        page = json.loads(found.body)
        page["value"][row - 1]["id"] = name
        found.body = json.dumps(page).encode()

    return _changed(change)


def empty_first(server: GraphServer) -> Fault:
    """A list's first page is empty and links to the right one (documented for delta queries)."""

    def answer(request: Request, proceed: Proceed) -> Answer:
        if request.method != "GET" or request.path[-1] != "messages" or "$skip" in request.query:
            return proceed()
        query = "&".join(f"{name}={value}" for name, value in {**request.query, "$skip": "0"}.items())
        page: dict[str, Any] = {"value": [], "@odata.nextLink": f"{server.graph_uri}/{'/'.join(request.path)}?{query}"}
        return Answer(body=json.dumps(page).encode(), schema="messageCollection")

    return answer


def _changed(change: Callable[[Answer], None]) -> Fault:
    def answer(_request: Request, proceed: Proceed) -> Answer:
        found = proceed()
        change(found)
        return found

    return answer
