"""What a server said, out of the errors of IMAPClient and imaplib."""

from __future__ import annotations

import ast
import re

_BYTES = re.compile(r"""\bb(['"])(?:\\.|(?!\1).)*\1""")
"""Bytes as Python shows them: so imaplib writes what a server said into some of its errors."""

_OURS = re.compile(r"^(command: [A-Z]+ => |[a-z]+ failed: )+")
"""What the libraries put before it."""

MOST = 10_000
"""Characters of an error that are looked at: it may repeat a whole answer."""

ENDED = "socket error: EOF"
"""imaplib's words for a connection that ended within an answer."""


def said(error: Exception) -> str:
    """Its text, letters in the place of bytes."""
    return _OURS.sub("", _BYTES.sub(_decoded, str(error)[:MOST]))


def _decoded(shown: re.Match[str]) -> str:
    try:
        return str(ast.literal_eval(shown[0]).decode("utf-8", "replace"))
    except (SyntaxError, ValueError):  # a server that writes so itself
        return shown[0]


def will_pass(text: str) -> bool:
    """Whether a refusal's code says that it will pass (RFC 5530 section 3)."""
    return any(code in text.upper() for code in ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"))
