"""HTML as its reader sees it, and format=flowed text undone (RFC 3676).

selectolax (lexbor) reads the HTML, at most 1 MB of it: ``html.parser`` is quadratic on hostile input. lexbor is too,
so a page that could make use of that reaches it well nested (``nesting``). The tree is walked without recursion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crmservice.mail.nesting import BLOCKS, HEADINGS, HIDING, MAX_DEPTH, TABLE_GROUPS, UNSEEN, well_nested

MAX_HTML = 1024 * 1024
_MAX_LEVELS = 2 * MAX_DEPTH
"""A parser adds levels that were left out: ``html``, and a ``tbody`` for each table."""

_HIDDEN = UNSEEN | {"head"}
_BLOCKS = BLOCKS | TABLE_GROUPS | {"html", "body", "caption", "tr"}
_PARAGRAPHS = HEADINGS | {"p", "ul", "ol", "dl", "table", "pre", "blockquote"}
_CELLS = frozenset(("td", "th"))
_SPACE = re.compile(r"[ \t\r\n\f]+")
_UNEVEN = re.compile(r"[\t\r\n\f]|  ")
_BLANK_LINES = re.compile(r"\n{3,}")

_QUOTES = re.compile(r"cite|quot", re.IGNORECASE)
_EDGE = "\0"
"""Where a quotation begins and ends: a character that no HTML has (it is U+FFFD there)."""

_Step = tuple[bool, LexborNode, str]


def html_to_text(html: str) -> str:
    """The text of HTML as a reader sees it. Never raises; linear.

    Blocks are lines, paragraphs stand apart, cells of a table row are separated by a tab, what is hidden
    is left out, and a link whose address is not its text is ``text <https://…>``.
    """
    return html_to_texts(html)[0]


def html_to_texts(html: str) -> tuple[str, str]:
    """The text of HTML, and once more with the lines of its quotations behind ``>``, as a plain mail has them."""
    html = html[:MAX_HTML]
    writer = _Writer(len(html))
    for entering, node, tag in _walk(html):
        if entering:
            _enter(writer, node, tag)
        else:
            _leave(writer, node, tag)
    return writer.texts()


def _walk(html: str) -> Iterator[_Step]:
    """Each visible node on the way in and on the way out, in the order of the page."""
    root = LexborHTMLParser(well_nested(html[:MAX_HTML])).root
    node: LexborNode | None = root
    open_nodes: list[tuple[LexborNode, str]] = []
    while node is not None:
        tag = node.tag or ""
        hidden = tag in _HIDDEN or tag == "-comment" or (tag != "-text" and _is_hidden(node))
        if not hidden:
            yield True, node, tag
        child = None if hidden or tag == "-text" or len(open_nodes) > _MAX_LEVELS else node.first_child
        if child is not None:
            open_nodes.append((node, tag))
            node = child
            continue
        if not hidden:
            yield False, node, tag
        following = node.next
        while following is None and open_nodes:
            parent, parent_tag = open_nodes.pop()
            yield False, parent, parent_tag
            following = parent.next
        node = following


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    return bool(attributes) and ("hidden" in attributes or bool(HIDING.search(attributes.get("style") or "")))


class _Writer:
    """Collects words, lines and gaps; what stands open (space, tab) is written when more text comes.

    ``room``: how much text there can be, in characters: text is no longer than its HTML.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._out: list[str] = []
        self._gap = ""
        self._breaks = 2
        self.preformatted = 0
        self.quotations = 0
        self.links: list[tuple[str, int]] = []

    def words(self, text: str) -> None:
        if self.preformatted:
            self._put(text)
            return
        words = _SPACE.sub(" ", text) if _UNEVEN.search(text) else text
        if words.startswith(" ") and not self._gap:
            self._gap = " "
        kept = words.strip(" ")
        if kept:
            self._put(kept)
            self._gap = " " if words.endswith(" ") else ""

    def _put(self, text: str) -> None:
        if self._gap and not (self._breaks and self._gap == " "):
            self._out.append(self._gap)
        self._gap = ""
        self._out.append(text)
        self._room -= len(text)
        self._breaks = 0

    def address(self, address: str) -> None:
        """The address behind a link. Only one that a parser repeats in each paragraph finds no room."""
        if len(address) < self._room:
            self.words(f" <{address}>")

    def line(self, breaks: int = 1) -> None:
        """At least so many line ends before the next text."""
        if self._breaks < breaks:
            self._out.append("\n" * (breaks - self._breaks))
            self._breaks = breaks
        self._gap = ""

    def line_break(self) -> None:
        """``<br>``: always one more line."""
        self._out.append("\n")
        self._breaks += 1
        self._gap = ""

    def cell(self) -> None:
        """A tab before the next cell's text."""
        self._gap = "\t"

    @property
    def mark(self) -> int:
        return len(self._out)

    def since(self, mark: int) -> str:
        return "".join(self._out[mark:]) if len(self._out) - mark < 50 else ""

    def begin_quotation(self) -> None:
        """What follows was written by another; quotations inside it are part of it."""
        self.quotations += 1
        if self.quotations == 1:
            self._out.append(_EDGE)

    def end_quotation(self) -> None:
        """See ``begin_quotation``."""
        self.quotations -= 1
        if self.quotations == 0:
            self._out.append(_EDGE)

    def texts(self) -> tuple[str, str]:
        """See ``html_to_texts``."""
        written = "".join(self._out).replace("\xa0", " ")
        text = _tidy(written.replace(_EDGE, ""))
        return text, _marked(_tidy(written)) if _EDGE in written else text


def _tidy(text: str) -> str:
    lines = (line.rstrip(" \t\xa0") for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _marked(text: str) -> str:
    """The text with each line of a quotation behind ``>``, and without the edges."""
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        pieces = line.split(_EDGE)
        # The pieces are in and out of a quotation by turns. One that ends with a paragraph has its edge at the
        # beginning of the next line, whose words are the writer's own.
        quoted = any(piece.strip() for piece in pieces[0 if inside else 1 :: 2])
        lines.append(f"> {''.join(pieces)}" if quoted else "".join(pieces))
        inside ^= len(pieces) % 2 == 0
    return "\n".join(lines)


def _enter(writer: _Writer, node: LexborNode, tag: str) -> None:
    if tag == "-text":
        writer.words(node.text_content or "")
    elif tag == "br":
        writer.line_break()
    elif tag in _CELLS:
        if _has_cell_before(node):
            writer.cell()
    elif tag in _BLOCKS and not _sole_block_of_cell(node, tag):
        writer.line(2 if tag in _PARAGRAPHS else 1)
        _begin_block(writer, node, tag)
    elif tag == "a":
        writer.links.append((node.attributes.get("href") or "", writer.mark))
    elif tag == "img":
        writer.words(node.attributes.get("alt") or "")


def _begin_block(writer: _Writer, node: LexborNode, tag: str) -> None:
    if tag == "li":
        writer.words("- ")
    elif tag == "blockquote" and _is_quotation(node):
        writer.begin_quotation()
    elif tag == "pre":
        writer.preformatted += 1


def _leave(writer: _Writer, node: LexborNode, tag: str) -> None:
    if tag in _BLOCKS:
        if tag == "pre":
            writer.preformatted -= 1
        elif tag == "blockquote" and _is_quotation(node):
            writer.end_quotation()
        if not _sole_block_of_cell(node, tag):
            writer.line(2 if tag in _PARAGRAPHS else 1)
    elif tag == "a" and writer.links:
        href, mark = writer.links.pop()
        _link(writer, href.strip(), writer.since(mark))


def _is_quotation(node: LexborNode) -> bool:
    """Whether a mail program put this here for what it answers; others only indent a paragraph with it."""
    attributes = node.attributes
    return bool(_QUOTES.search(f"{attributes.get('type') or ''} {attributes.get('class') or ''}"))


def _link(writer: _Writer, href: str, shown: str) -> None:
    """The address behind a link, where its text does not say it already."""
    plain = href.removeprefix("mailto:")
    if href.lower().startswith(("http://", "https://", "mailto:")) and shown.strip() not in (href, plain):
        writer.address(plain)


def _has_cell_before(node: LexborNode) -> bool:
    before = node.prev
    while before is not None and before.tag not in _CELLS:
        before = before.prev
    return before is not None


def _sole_block_of_cell(node: LexborNode, tag: str) -> bool:
    """Whether a block only wraps the text of a table cell (Outlook): it makes no line of its own."""
    if tag not in ("p", "div"):
        return False
    parent = node.parent
    return parent is not None and parent.tag in _CELLS and _alone(node)


def _alone(node: LexborNode) -> bool:
    """Whether nothing but white space stands within two places of a node."""
    before, after = node.prev, node.next
    if _is_content(before) or _is_content(after):
        return False
    return not (before is not None and _is_content(before.prev)) and not (after is not None and _is_content(after.next))


def _is_content(node: LexborNode | None) -> bool:
    return node is not None and not (node.tag == "-text" and not (node.text_content or "").strip())


def table_rows(html: str) -> list[tuple[str, ...]]:
    """The texts of the cells of each innermost table row, whitespace folded, in the order of the page.

    A row whose cell holds another table is left out: the rows inside stand for it (rule 15.2).
    """
    rows: list[tuple[str, ...]] = []
    stack: list[list[list[str]]] = []
    for entering, node, tag in _walk(html):
        if tag == "tr" and entering:
            stack.append([])
        elif tag == "tr" and stack:
            _close_row(stack, rows)
        elif tag in _CELLS and entering and stack:
            stack[-1].append([])
        elif tag == "-text" and entering and stack and stack[-1]:
            stack[-1][-1].append(node.text_content or "")
        elif tag == "br" and entering and stack and stack[-1]:
            stack[-1][-1].append(" ")
    return rows


_INNER = ["\0"]


def _close_row(stack: list[list[list[str]]], rows: list[tuple[str, ...]]) -> None:
    cells = stack.pop()
    if not any(cell[:1] == _INNER for cell in cells):
        rows.append(tuple(" ".join("".join(cell).split()) for cell in cells))
    if stack and stack[-1]:
        # The row around it is no innermost one; its text so far goes.
        stack[-1][-1][:] = _INNER


def unflow(text: str, delete_space: bool = False) -> str:
    """format=flowed undone (RFC 3676 section 4): soft line ends joined within one depth of quoting.

    ``delete_space`` is DelSp=yes. ``text`` has LF line ends.
    """
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        signature = content == "-- "
        soft = content.endswith(" ") and not signature
        if soft and delete_space:
            content = content[:-1]
        if open_depth == depth and not signature:
            out.append(content)
        else:
            out.append(("\n" if out else "") + ((">" * depth + " ") if depth else "") + content)
        open_depth = depth if soft else -1
    return "".join(out)
