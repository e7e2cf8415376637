"""The MIME tree of a mail that the fast reader can't be trusted with: torn, mislabelled or with 8-bit headers.

Boundaries are looked for among the lines that begin with two dashes alone, each by one look into a dictionary, however
many multiparts are open: the standard library's ``email`` asks each of these about each line. Parts nested deeper than
``structure.MAX_DEPTH`` are leaves. Nothing but the exact boundary of an open multipart is one (RFC 2046 section 5.1.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from crmservice.mail import headers
from crmservice.mail.headers import Block
from crmservice.mail.message import Headers
from crmservice.mail.structure import MAX_DEPTH, MAX_PARTS, Part, describe, undo

_DASHES = re.compile(rb"^--([^\n]*)\n?", re.MULTILINE)
_NESTED = ("message/rfc822", "message/global")


def read(raw: bytes, block: Block) -> Part:
    """The tree of ``raw``, whose header block is ``block``. Never raises, linear; reads one part more than allowed."""
    reader = _Reader(raw)
    top = reader.begin(block.headers, block.body)
    for line in _DASHES.finditer(raw, block.body):
        found = reader.opened(line)
        if found is None:
            continue
        level, is_end = found
        reader.end(line.start(), level, is_end=is_end)
        if reader.count > MAX_PARTS:
            break
        # The same line twice begins one part.
        if not is_end and reader.opened(_DASHES.match(raw, line.end())) != found:
            reader.part(line.end())
    reader.end(len(raw), 0, is_end=True)
    return top


@dataclass(slots=True)
class _Node:
    """A part that is being read: its headers, and where its body begins."""

    part: Part
    fields: Headers
    body: int
    boundary: bytes = b""


@dataclass(slots=True)
class _Reader:
    """``open``: the multiparts around the place that is read, outermost first; ``leaf``: the leaf that it lies in.

    ``levels``: the place of each boundary in ``open``; where two have the same, the outer one's counts.
    """

    raw: bytes
    open: list[_Node] = field(default_factory=list)
    levels: dict[bytes, int] = field(default_factory=dict)
    leaf: _Node | None = None
    count: int = 0

    def opened(self, line: re.Match[bytes] | None) -> tuple[int, bool] | None:
        """Which of the multiparts a line with dashes belongs to, and whether it ends it; None for neither."""
        name = line[1].rstrip(b" \t\r") if line else b""
        if name in self.levels:
            return self.levels[name], False
        if name.endswith(b"--") and name[:-2] in self.levels:
            return self.levels[name[:-2]], True
        return None

    def part(self, start: int) -> None:
        """A part of the innermost multipart begins."""
        head = self.raw[start : start + headers.MAX_BLOCK]
        dashes = _DASHES.search(head)
        block = headers.read(head[: dashes.start()] if dashes else head)
        fields = tuple(pair for pair in block.headers.fields if pair[0].startswith("content-"))
        parent = self.open[-1].part
        parent.children.append(self.begin(Headers(fields), start + block.body))

    def begin(self, fields: Headers, body: int) -> Part:
        """A node whose header block has been read."""
        node = _Node(describe(fields), fields, body)
        self.count += 1
        node.boundary = node.part.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
        if node.part.container and node.boundary and len(self.open) < MAX_DEPTH:
            self.levels.setdefault(node.boundary, len(self.open))
            self.open.append(node)
        else:
            self.leaf = node
        return node.part

    def end(self, at: int, level: int, *, is_end: bool) -> None:
        """What lies within the multipart of this level ends at this line, with ``is_end`` the multipart too."""
        if self.leaf:
            data = self.raw[self.leaf.body : at]
            # The line end before a boundary belongs to it.
            _as_leaf(self.leaf, data.removesuffix(b"\n").removesuffix(b"\r") if self.open else data)
            self.leaf = None
        while len(self.open) > level + (not is_end):
            node = self.open.pop()
            if self.levels.get(node.boundary) == len(self.open):
                del self.levels[node.boundary]
            if not node.part.children:  # its boundary was never used
                _as_leaf(node, self.raw[node.body : at])


def _as_leaf(node: _Node, data: bytes) -> None:
    part = node.part
    part.nested = part.content_type in _NESTED
    part.content_type = "message/rfc822" if part.nested else "text/plain" if part.container else part.content_type
    part.size = len(data)
    part.load = lambda: undo(data, node.fields.first("content-transfer-encoding"))
