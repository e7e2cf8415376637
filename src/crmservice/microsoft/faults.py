"""What Microsoft Graph answers when it does not do what was asked (learn.microsoft.com/graph/errors; CALENDAR A7).

Branched on by status and code, never by its message, which may change and may hold what a stranger wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crmservice.errors import CrmServiceError
from crmservice.microsoft.waiting import retry_after
from crmservice.words import Words


class GraphError(CrmServiceError):
    """Microsoft Graph did not do what was asked.

    ``status``: of HTTP, 0 where no answer came. ``codes``: Graph's, the most detailed one last. ``request_id``: what
    Microsoft's support asks for.
    """

    permanent = False
    status = 0
    codes: tuple[str, ...] = ()
    request_id = ""

    def has(self, *codes: str) -> bool:
        """Whether Graph gave one of these codes."""
        return _among(self.codes, codes)


class Unreachable(GraphError):
    """No answer came, or not the whole of it."""


class BadAnswer(GraphError):
    """The answer is none of Graph's, so nothing is believed of it."""


class Throttled(GraphError):
    """It asks to be left alone for a while, or we leave it alone because it did."""


class GraphTrouble(GraphError):
    """It has trouble of its own."""


class Denied(GraphError):
    """It does not let us. ``roles``: the permissions that the token says it has, None where it does not say."""

    permanent = True
    roles: frozenset[str] | None = None


class NotFound(GraphError):
    """There is no such mailbox, folder or item."""

    permanent = True


class Gone(GraphError):
    """The place to go on from is known no more: begin anew."""


class Rejected(GraphError):
    """The request itself is not accepted."""

    permanent = True


_THROTTLING = ("ApplicationThrottled", "ErrorServerBusy", "TooManyRequests", "activityLimitReached", "throttledRequest")
_BEGIN_ANEW = ("SyncStateNotFound", "SyncStateInvalid", "resyncRequired")


def from_answer(status: int, headers: Mapping[str, str], body: bytes) -> GraphError:
    """The fault that an answer other than 2xx tells of. ``headers`` finds names in any case."""
    codes = tuple(_codes(_error(body)))
    request_id = _short(headers.get("request-id", ""))
    said = ", ".join([f"HTTP {status}", *codes])
    if request_id:
        why = Words("Graph says {said} (request-id {request_id})", said=said, request_id=request_id)
    else:
        why = Words("Graph says {said}", said=said)
    fault = _kind(status, codes)("{why}", why=why)
    fault.status, fault.codes, fault.request_id = status, codes, request_id
    fault.retry_after = retry_after(headers) or 0.0
    return fault


def _kind(status: int, codes: tuple[str, ...]) -> type[GraphError]:
    if status in {429, 503, 509} or _among(codes, _THROTTLING):
        return Throttled
    if status == 410 or _among(codes, _BEGIN_ANEW):
        return Gone
    if status in {401, 403}:
        return Denied
    if status == 404:
        return NotFound
    if (status >= 500 and status != 501) or status in {408, 423}:
        return GraphTrouble
    return Rejected if status >= 400 else BadAnswer


def _among(codes: Iterable[str], wanted: Iterable[str]) -> bool:
    """Their case varies (CALENDAR A3)."""
    return not {code.casefold() for code in codes}.isdisjoint(code.casefold() for code in wanted)


def _error(body: bytes) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found.get("error") if isinstance(found, dict) else None


def _codes(error: Any) -> Iterator[str]:
    """Of the error and the ones inside it, as far as they are codes."""
    for _depth in range(5):
        if not isinstance(error, dict):
            return
        if code := _short(str(error.get("code", ""))):
            yield code
        error = error.get("innerError", error.get("innererror"))


def _short(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_.:-]{1,100}", text) else ""
