"""Addresses: the one strict sender, and recipients read with patience (RFC 5322 section 3.4, RFC 6532).

Mail libraries disagree about a torn From, and a forger lives on that (CVE-2023-27043). So the sender is
read by the grammar alone, on the value as it came: a name that was decoded first can look quoted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from crmservice.mail.headers import decode
from crmservice.mail.message import Address, Headers
from crmservice.mail.text import fold, strip_controls

MAX_ADDRESSES = 1000

IN_TEXT = re.compile(
    r"(?<![\w.+-])[^\s@<>(),;:\"\\\[\]\x00-\x1f\x7f\ud800-\udfff]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"
)
"""An address that stands in running text (a quoted header, a report, a calendar), with a bound on each repetition."""


class Sender(NamedTuple):
    """Who a mail says it is from.

    Without an ``address`` it is unusable and ``problem`` says why, as a code:
    ``from-missing``, ``from-several`` (headers), ``from-mailboxes``, ``from-syntax``, ``from-name-address``.
    ``marked``: the quoted name holds another address. ``raw``: the header as it came, on one line.
    """

    address: Address | None
    problem: str
    marked: bool
    raw: str


class _Token(NamedTuple):
    kind: str  # atom, quoted, comment, literal, a special of RFC 5322 section 3.2.3, or "torn"
    text: str


# One object for each special: a hostile From of a hundred thousand makes no work for the garbage collector, which would
# look at all that the process holds.
_SPECIAL_TOKENS = {special: _Token(special, special) for special in "<>[]:;,@\\)"}
_SPECIAL = re.compile(r'[()<>\[\]:;,@\\"\s]')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LITERAL = re.compile(r"\[([^\[\]\\]*)\]")
# Old writers leave the comma of "Novák, Jan" as it is (RFC 2047 section 5 wants it encoded): it separates nothing.
_ENCODED_WORD = re.compile(r"=\?[A-Za-z0-9_*-]+\?[qQ]\?[^\s?<>()@\[\]:;\"\\]*\?=")
_PARENTHESIS = re.compile(r"[()\\]")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def _tokens(value: str) -> Iterator[_Token]:
    """The lexical tokens of a structured header (RFC 5322 section 3.2), one pass, no recursion."""
    at, size = 0, len(value)
    while at < size:
        character = value[at]
        if character.isspace():
            at += 1
        elif character == '"':
            found = _QUOTED.match(value, at)
            yield _Token("quoted", _unescape(found[1])) if found else _Token("torn", value[at + 1 :])
            at = found.end() if found else size
        elif character == "(":
            end = comment_end(value, at)
            yield _Token("comment", _unescape(value[at + 1 : end - 1])) if end else _Token("torn", "")
            at = end or size
        elif character == "[" and (found := _LITERAL.match(value, at)):
            yield _Token("literal", found[0])
            at = found.end()
        elif character == "=" and (found := _ENCODED_WORD.match(value, at)):
            yield _Token("atom", found[0])
            at = found.end()
        elif special_token := _SPECIAL_TOKENS.get(character):
            yield special_token
            at += 1
        else:
            special = _SPECIAL.search(value, at)
            end = special.start() if special else size
            yield _Token("atom", value[at:end])
            at = end


def comment_end(value: str, at: int) -> int:
    """The offset behind a comment, which may hold comments; 0 where it is not closed."""
    depth, skip = 0, -1
    for found in _PARENTHESIS.finditer(value, at):
        if found.start() == skip:
            continue
        if found[0] == "\\":
            skip = found.end()
        else:
            depth += 1 if found[0] == "(" else -1
            if depth == 0:
                return found.end()
    return 0


def _unescape(text: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


# addr-spec -------------------------------------------------------------------------------------------------------

_ASCII_SPEC = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z"
)
_ATEXT = frozenset("!#$%&'*+-/=?^_`{|}~")


def _is_local(text: str) -> bool:
    """dot-atom of RFC 5322, letters beyond ASCII allowed (RFC 6531 section 3.3)."""
    return all(atom and all(_is_letter(c) or c in _ATEXT for c in atom) for atom in text.split("."))


def _is_domain(text: str) -> bool:
    return all(label and all(_is_letter(c) or c in "-_" for c in label) for label in text.split("."))


def _is_letter(character: str) -> bool:
    """A letter, digit or mark: no control, format (U+200B) or private character, no space."""
    if character.isascii():
        return character.isalnum()
    return unicodedata.category(character)[0] in "LNM"


def _spec(tokens: list[_Token]) -> str:
    """The addr-spec that these tokens are, lower case, or an empty text (RFC 5322 section 3.4.1).

    Comments around the parts count as space; space inside, routes and obsolete forms are no addr-spec.
    """
    words = [token for token in tokens if token.kind != "comment"]
    if len(words) != 3 or words[1].kind != "@":
        return ""
    local, domain = words[0], words[2]
    if local.kind == "atom" and _is_local(local.text):
        left = local.text
    elif local.kind == "quoted" and local.text.isprintable():
        left = '"' + local.text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        return ""
    if (domain.kind == "atom" and _is_domain(domain.text)) or domain.kind == "literal":
        return f"{left}@{domain.text}".lower()
    return ""


# The sender ------------------------------------------------------------------------------------------------------

_SIMPLE = re.compile(r"""\s*(?:(?:"([^"\\@]*)"|([A-Za-z0-9=][A-Za-z0-9 ._'?=/+-]*)) ?)?<([^<>@\s]+@[^<>@\s]+)>\s*\Z""")


def _read_simple(value: str) -> Address | None:
    """A mailbox in its usual ASCII forms, which need no tokens; None for any other."""
    if _ASCII_SPEC.match(value):
        return Address(value.lower())
    found = _SIMPLE.match(value)
    if found and _ASCII_SPEC.match(found[3]):
        return Address(found[3].lower(), decode(found[1] or found[2] or "").strip())
    return None


def strict_sender(headers: Headers) -> Sender:
    """The sender of SPEC chapter 4: the one mailbox of the one From. Never raises."""
    values = headers.all("from")
    raw = strip_controls(", ".join(values))
    if not raw.strip():
        return Sender(None, "from-missing", False, raw)
    if len(values) > 1:
        return Sender(None, "from-several", False, raw)
    simple = _read_simple(values[0])
    if simple and not _other_address(simple.name, simple.email):
        return Sender(simple, "", False, raw)
    return _read_sender(list(_tokens(values[0])), raw)


def _read_sender(tokens: list[_Token], raw: str) -> Sender:
    kinds = [token.kind for token in tokens]
    if "torn" in kinds:
        return Sender(None, "from-syntax", False, raw)
    if kinds.count("<") == 0:
        return _bare(tokens, raw)
    start = kinds.index("<")
    if "," in kinds[start:] or ";" in kinds[start:] or kinds.count("<") > 1:
        return Sender(None, "from-mailboxes", False, raw)
    phrase, rest = tokens[:start], tokens[start + 1 :]
    end = next((n for n, token in enumerate(rest) if token.kind == ">"), len(rest))
    email = _spec(rest[:end])
    after = rest[end + 1 :]
    if end == len(rest) or not email or any(token.kind != "comment" for token in after):
        return Sender(None, "from-syntax", False, raw)
    comments = [token for token in (*phrase, *rest[:end], *after) if token.kind == "comment"]
    return _judge(email, phrase, comments, raw)


def _bare(tokens: list[_Token], raw: str) -> Sender:
    """A From without angle brackets; a comment is its name, as old writers do."""
    kinds = [token.kind for token in tokens]
    email = _spec(tokens)
    if not email:
        problem = "from-mailboxes" if "," in kinds and kinds.count("@") > 1 else "from-syntax"
        return Sender(None, problem, False, raw)
    comments = [token for token in tokens if token.kind == "comment"]
    if any(_other_address(decode(token.text), email) for token in comments):
        return Sender(None, "from-name-address", False, raw)
    name = " ".join(decode(token.text).strip() for token in comments)
    return Sender(Address(email, name), "", False, raw)


def _judge(email: str, phrase: list[_Token], comments: list[_Token], raw: str) -> Sender:
    """Whether the name before the mailbox is one, and whether it pretends to be another mailbox."""
    unquoted = _unquoted(phrase)
    if _other_address(unquoted, email) or any(_other_address(decode(c.text), email) for c in comments):
        return Sender(None, "from-name-address", False, raw)
    if any(token.kind not in ("atom", "quoted", "comment") for token in phrase) and unquoted.lower() != email:
        mailboxes = any(token.kind in ",;:" for token in phrase)
        return Sender(None, "from-mailboxes" if mailboxes else "from-syntax", False, raw)
    name = _name(phrase)
    marked = any(_other_address(decode(token.text), email) for token in phrase if token.kind == "quoted")
    # Put together, quoted pieces may make what none of them holds alone.
    together = decode("".join(token.text for token in phrase))
    return Sender(Address(email, name), "", marked or _other_address(together, email), raw)


def _unquoted(phrase: list[_Token]) -> str:
    """The words of a name that no quotes protect, encoded words decoded; a quoted string is a gap."""
    return _name([token if token.kind != "quoted" else _Token("quoted", "") for token in phrase])


def _name(phrase: list[_Token]) -> str:
    """A display name: its words with a space between them, none around a special, encoded words decoded."""
    out: list[str] = []
    glued = True
    for token in phrase:
        if token.kind == "comment":
            continue
        special = token.kind not in ("atom", "quoted", "literal", "torn")
        out.append(token.text if glued or special else f" {token.text}")
        glued = special and token.kind != ","
    return decode("".join(out)).strip()


_SEPARATORS = re.compile(r"""[\s<>"'(),;:\[\]]+""")


def _other_address(name: str, email: str) -> bool:
    """Whether a name holds something that reads as an address and is not ``email``.

    What reads as one is seen through diacritics and forms (U+FF20 for ``@``), but only case makes no other
    address of it: ``boss@fírma.cz`` is another mailbox than boss@firma.cz.
    """
    if name.isascii() and "@" not in name:
        return False
    words = (word.strip(".") for word in _SEPARATORS.split(name))
    return any(_reads_as_address(word) for word in words if word.lower() != email)


def _reads_as_address(text: str) -> bool:
    """Whether one of the words that a text folds to has the form of an address."""
    for word in _SEPARATORS.split(fold(text)):
        local, _, domain = word.strip(".").rpartition("@")
        if local and "." in domain:
            return True
    return False


# Recipients ------------------------------------------------------------------------------------------------------

_NOT_SIMPLE = re.compile(r"[;:(\\\[]")


def mailboxes(value: str, limit: int = MAX_ADDRESSES) -> tuple[Address, ...]:
    """The mailboxes of an address list, at most ``limit``; never raises, linear.

    Groups are flattened, routes and comments dropped, ``;`` separates too (Outlook); what is no address
    is left out.
    """
    simple = _read_simple_list(value, limit)
    if simple:
        return simple
    found: list[Address] = []
    for entry in _entries(value):
        address = _read_mailbox(entry)
        if address:
            found.append(address)
            if len(found) >= limit:
                break
    return tuple(found)


def _read_simple_list(value: str, limit: int) -> tuple[Address, ...]:
    """A list whose every element has a usual form; empty for any other."""
    if _NOT_SIMPLE.search(value):
        return ()
    found: list[Address] = []
    for entry in value.split(","):
        address = _read_simple(entry.strip())
        if address is None:
            return ()
        found.append(address)
    return tuple(found[:limit])


def _entries(value: str) -> Iterator[list[_Token]]:
    """The tokens of each list element: split at ``,`` and ``;``, a group's name dropped at its ``:``."""
    entry: list[_Token] = []
    angle = False
    for token in _tokens(value):
        if token.kind in ",;" and not (angle and token.kind == ","):
            yield entry
            entry, angle = [], False
        elif token.kind == ":" and not angle:
            entry = []
        else:
            angle = (angle or token.kind == "<") and token.kind != ">"
            entry.append(token)
    yield entry


def _read_mailbox(entry: list[_Token]) -> Address | None:
    kinds = [token.kind for token in entry]
    if "<" not in kinds:
        return _read_bare(entry)
    start = kinds.index("<")
    end = kinds.index(">", start) if ">" in kinds[start:] else len(kinds)
    inside = entry[start + 1 : end]
    colons = [n for n, token in enumerate(inside) if token.kind == ":"]
    email = _spec(inside[colons[-1] + 1 :] if colons else inside)
    return Address(email, _name(entry[:start])) if email else None


def _read_bare(entry: list[_Token]) -> Address | None:
    """``a@b``, ``a@b (name)``, and ``name a@b`` as some writers send it."""
    at = next((n for n in range(len(entry) - 1, -1, -1) if entry[n].kind == "@"), 0)
    if not at:
        return None
    email = _spec(entry[at - 1 : at + 2])
    name = _name(entry[: at - 1]) or " ".join(decode(t.text) for t in entry[at + 2 :] if t.kind == "comment")
    return Address(email, name) if email else None
