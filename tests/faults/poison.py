"""Mail that breaks the reader: a header says how. The product has no hook for it, so its reader is replaced from outside."""

from __future__ import annotations

import ctypes
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmservice.mail.message import Message

HEADER = b"X-Poison: "
KINDS = ("crash", "exit", "burn", "sleep", "memory", "recursion", "burn-rules")
LIMITS_S = (1.0, 3.0)
"""CPU time that reading may take, and deciding, and time in all: the product's own limits would keep the tests waiting."""


def kind(raw: bytes) -> str:
    """How this mail breaks its reader; empty for a good one."""
    _before, found, after = raw[:4096].partition(HEADER)
    return after.partition(b"\r\n")[0].decode() if found else ""


def act(how: str) -> None:
    """Do what a mail of this kind makes a reader do."""
    if how == "crash":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(0)
    elif how == "memory":
        raise MemoryError
    elif how == "recursion":
        raise RecursionError
    while how in ("burn", "sleep"):
        time.sleep(60 if how == "sleep" else 0)


def plant() -> None:
    """Let such mails break the reader of this process, or its rules; before anything that reads is imported."""
    from crmservice.mail import parsing, trust
    from crmservice.service import limits

    whole = parsing.parse

    def parse(raw: bytes) -> object:
        if how := kind(raw):
            act(how)
        return whole(raw)

    verified = trust.sender_verified

    def sender_verified(message: Message, authserv_ids: tuple[str, ...]) -> bool:
        if kind(message.raw) == "burn-rules":
            act("burn")
        return verified(message, authserv_ids)

    trust.sender_verified = sender_verified  # what the rules are told is found out within their limit
    parsing.parse = parse  # type: ignore[assignment]  # in the reader's place
    limits.cpu_limit.__wrapped__.__defaults__ = LIMITS_S  # type: ignore[attr-defined]  # contextmanager keeps the function
