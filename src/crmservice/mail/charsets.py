"""Bytes to text: the declared character set, else UTF-8, else windows-1250 (SPEC chapter 4, TRUST.md B35)."""

from __future__ import annotations

from functools import lru_cache

# Decoders that are no character sets, or that let a mail hide words (utf-7) or cost more than their length.
_REFUSED = frozenset(
    ("utf7", "unicode11utf7", "u7", "idna", "punycode", "unicodeescape", "rawunicodeescape", "undefined", "mbcs", "oem")
)
# What a label means in practice: the superset that its writers use (WHATWG Encoding Standard, section 4.2).
_MEANT = {
    "usascii": "utf-8", "ascii": "utf-8", "ansix341968": "utf-8", "unknown8bit": "utf-8", "8bit": "utf-8",
    "gb2312": "gb18030", "gbk": "gb18030", "ksc56011987": "cp949", "euckr": "cp949", "shiftjis": "cp932",
    "iso88598i": "iso-8859-8", "xmaccentraleurope": "mac_latin2", "xmacce": "mac_latin2", "macce": "mac_latin2",
    "xsjis": "cp932", "ansi": "cp1250", "latin2": "iso-8859-2",
}  # fmt: skip
# Bytes 0x80 to 0x9F are letters in the Windows sets and control characters in ISO 8859: such text is mislabelled.
_WINDOWS = {"iso88591": "cp1252", "latin1": "cp1252", "iso88592": "cp1250", "latin2": "cp1250", "iso885915": "cp1252"}
_C1 = bytes(range(0x80, 0xA0))


def to_text(data: bytes, charset: str = "") -> str:
    """The text of ``data``: declared ``charset``, else UTF-8, else windows-1250, else Latin-1. Never raises."""
    if data.isascii() and not _stateful(charset):
        return data.decode("ascii")
    declared = _declared(data, charset)
    if declared is not None:
        return declared
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _torn(data) or _fallback(data)


def _stateful(charset: str) -> bool:
    """Whether ASCII bytes can stand for other characters in it (ISO 2022, HZ, UTF-16, EBCDIC)."""
    key = _key(charset)
    return not key.startswith(("utf8", "usascii", "iso8859", "windows125", "ascii")) and key != ""


@lru_cache(maxsize=256)
def _key(charset: str) -> str:
    return "".join(c for c in charset[:40].lower() if c.isalnum())


def _declared(data: bytes, charset: str) -> str | None:
    """The text by the declared set; None where there is none, it is refused or it does not fit."""
    key = _key(charset)
    if not key or key in _REFUSED or "\0" in charset:
        return None
    mislabelled = key in _WINDOWS and data.translate(None, _C1) != data
    name = _WINDOWS[key] if mislabelled else _MEANT.get(key, charset.strip())
    try:
        return data.decode(name)
    except (LookupError, ValueError):
        return None


def _torn(data: bytes) -> str | None:
    """UTF-8 with a few torn characters (a mail cut in the middle); None where it is another set."""
    text = data.decode("utf-8", "replace")
    torn = text.count("\ufffd")
    whole = sum(1 for c in text if c > "\x7f") - torn
    return text if whole > 2 * torn else None


def _fallback(data: bytes) -> str:
    try:
        return data.decode("cp1250")
    except UnicodeDecodeError:
        return data.decode("latin-1")
