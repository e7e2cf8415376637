"""File names of attachments, made safe to show and to save (TRUST.md B7)."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

MAX_NAME = 255
_PATH = re.compile(r"[/\\]")


def safe_name(name: str, content_type: str, number: int = 1) -> str:
    """The last part of a file name: NFKC, no control or format characters, 1 to 255 characters.

    A name that says nothing becomes ``attachment-NUMBER`` with the extension of its ``content_type``.
    """
    # Cut first: NFKC sorts runs of marks in quadratic time. Cleaned before the path is split, because
    # both can bring a slash to light.
    plain = unicodedata.normalize("NFKC", name[-4 * MAX_NAME :])
    kept = "".join(c for c in plain if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    last = _PATH.split(kept)[-1].strip()
    if not last.strip(". "):
        return f"attachment-{number}{mimetypes.guess_extension(content_type) or '.bin'}"
    return last if len(last) <= MAX_NAME else _shorten(last)


def _shorten(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 20:
        return name[:MAX_NAME]
    return stem[: MAX_NAME - len(extension) - 1] + dot + extension
