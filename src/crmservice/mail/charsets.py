"""Bytes to text: the declared character set, else UTF-8, else windows-1250 (SPEC chapter 4, TRUST.md B35)."""

from __future__ import annotations

from encodings.aliases import aliases
from functools import lru_cache

# What a label means in practice: the superset that its writers use (WHATWG Encoding Standard, section 4.2).
_MEANT = {
    "usascii": "utf-8", "ascii": "utf-8", "ansix341968": "utf-8", "unknown8bit": "utf-8", "8bit": "utf-8",
    "gb2312": "gb18030", "gbk": "gb18030", "ksc56011987": "cp949", "euckr": "cp949", "shiftjis": "cp932",
    "iso88598i": "iso-8859-8", "xmaccentraleurope": "mac_latin2", "xmacce": "mac_latin2", "macce": "mac_latin2",
    "xsjis": "cp932", "ansi": "cp1250", "xcp1250": "cp1250", "win1250": "cp1250", "88592": "iso-8859-2",
}  # fmt: skip
# Bytes 0x80 to 0x9F are letters in the Windows sets and control characters in ISO 8859: such text is mislabelled.
_WINDOWS = {"iso88591": "cp1252", "latin1": "cp1252", "iso88592": "cp1250", "latin2": "cp1250", "iso885915": "cp1252"}
_C1 = bytes(range(0x80, 0xA0))


@lru_cache(maxsize=512)
def _plain(label: str) -> str:
    return "".join(c for c in label.lower() if c.isalnum())


# The sets that Python knows, by their letters and digits. No other name ever reaches its registry, which remembers
# each one for ever; what is no character set, or lets a mail hide words (utf-7), is not among them.
_NO_CHARSETS = ("_codec", "rot_13", "utf_7", "mbcs")
_ALONE = ("cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "utf_8_sig")
_KNOWN = {alias: codec for alias, codec in aliases.items() if not codec.endswith(_NO_CHARSETS)}
_CODECS = {_plain(name): codec for alias, codec in _KNOWN.items() for name in (alias, codec)}
_CODECS |= {_plain(name): name for name in _ALONE} | _MEANT


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


def _key(charset: str) -> str:
    return _plain(charset[:40])


def _declared(data: bytes, charset: str) -> str | None:
    """The text by the declared set; None where there is none, nobody knows it or it does not fit."""
    key = _key(charset)
    mislabelled = key in _WINDOWS and data.translate(None, _C1) != data
    name = _WINDOWS[key] if mislabelled else _CODECS.get(key)
    try:
        return data.decode(name) if name else None
    except (LookupError, ValueError):
        return None


def _torn(data: bytes) -> str | None:
    """UTF-8 with a few torn characters (a mail cut in the middle); None where it is another set."""
    text = data.decode("utf-8", "replace")
    torn = text.count("\ufffd")
    whole = len(text) - len(text.encode("ascii", "ignore")) - torn
    return text if whole > 2 * torn else None


def _fallback(data: bytes) -> str:
    try:
        return data.decode("cp1250")
    except UnicodeDecodeError:
        return data.decode("latin-1")
