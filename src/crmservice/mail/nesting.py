"""HTML written anew so that a parser's work grows no faster than its length.

What HTML's rules for tags without their partners cost is for the writer to choose: formatting that is still open is
repeated in each paragraph, every tag looks through all that stand open, attributes are compared with each other.
So a page that could make use of this is read once by a tokenizer (HTML section 13.2.5), and only what a reader of its
text needs is written again, each tag closed where it must be: nothing is left open for the rules to repeat.
"""

from __future__ import annotations

import re

MAX_DEPTH = 500
MAX_TAG = 20_000
_SMALL = 20_000
_FEW_TAGS = 320
"""Below both, all that the rules can make of a page is 25,000 elements and 6 MB: 50 ms."""

_TOKEN = re.compile(
    r"""<!--(?:-?>|.*?(?:--!?>|\Z))
       |<[!?][^>]*+>?
       |</(?![a-zA-Z])[^>]*+>?
       |<(/?)([a-zA-Z][^\s/>]*+)
        ((?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'>][^\s>]*+)?+)?+)*+)>
       |</?[a-zA-Z].*\Z""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s"'>][^\s>]*+)))?+""",
    re.ASCII,
)
HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
"""A style that hides its element."""
_MAY_HIDE = re.compile(r"hidden|none|mso-hide", re.IGNORECASE)

_RAW = frozenset(("script", "style", "title", "textarea", "iframe", "noembed", "noframes"))
UNSEEN = _RAW | {"template", "noscript", "object", "svg", "math", "select"}
"""Elements of which a reader of the text sees nothing."""
_BOUNDS = {name: re.compile(rf"<(/?){name}(?=[\s/>])[^>]*>?", re.IGNORECASE | re.ASCII) for name in UNSEEN}

_VOID = frozenset(("area", "base", "col", "embed", "input", "link", "meta", "param", "source", "track", "wbr"))
_FRAME = frozenset(("html", "head", "body", "frameset"))
_PLAIN_BLOCKS = frozenset(
    (
        "address",
        "article",
        "aside",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "legend",
        "main",
        "menu",
        "nav",
        "section",
        "summary",
    )
)
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
BLOCKS = _PLAIN_BLOCKS | HEADINGS | {"p", "ul", "ol", "dl", "li", "pre", "blockquote", "table", "hr"}
"""Elements that stand on lines of their own."""
TABLE_GROUPS = frozenset(("tbody", "thead", "tfoot"))
_CELLS = frozenset(("td", "th", "caption"))
_ROWS = TABLE_GROUPS | {"tr"}
_LISTS = frozenset(("ul", "ol", "dl", "dir", "menu", "blockquote"))
_ITEMS = {"li": frozenset(("li",)), "dd": frozenset(("dd", "dt")), "dt": frozenset(("dd", "dt"))}
_ITEM_REACH = 8
"""How far up an item looks for the one that it ends."""

_KEPT = {"a": ("href",), "img": ("alt",), "blockquote": ("type", "class")}


def well_nested(html: str) -> str:
    """HTML with the same text whose parse costs no more than its length; a small page as it is. Linear.

    Beyond 500 levels and where a tag is longer than 20,000 characters, a space stands for the tag.
    """
    if len(html) <= _SMALL and html.count("<") <= _FEW_TAGS:
        return html
    return rewritten(html)


def rewritten(html: str) -> str:
    """See ``well_nested``: what is written for a page of any size."""
    page = _Page()
    position = 0
    while found := _TOKEN.search(html, position):
        start, end = found.span()
        page.text(html[position:start])
        position = end
        slash, name, attributes = found.groups()
        if name is None:
            continue
        name = name.lower()
        if end - start > MAX_TAG:
            page.text(" ")
        elif slash:
            page.end(name)
        elif name in UNSEEN:
            position = _end_of_unseen(html, name, attributes, position)
        else:
            page.start(name, attributes)
    page.text(html[position:])
    return page.written()


def _end_of_unseen(html: str, name: str, attributes: str, position: int) -> int:
    """Where an element ends of which nothing is shown: all the rest belongs to it if it is never closed."""
    if name in ("svg", "math") and attributes.endswith("/"):
        return position
    level = 1
    for found in _BOUNDS[name].finditer(html, position):
        if found[1]:
            level -= 1
        elif name not in _RAW:
            level += 1
        if level == 0:
            return found.end()
    return len(html)


class _Page:
    """What is written, and the elements that stand open in it.

    A table and each of its cells are a scope: what is in it ends in it. ``_counts`` says for each scope how often
    a name is open there, so that an end tag without a start is known at once.
    """

    def __init__(self) -> None:
        self._out: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._scopes: list[str] = [""]
        self._counts: list[dict[str, int]] = [{}]

    def text(self, text: str) -> None:
        """Text as it stands in HTML; a ``<`` in it begins no tag."""
        if text:
            self._out.append(text.replace("<", "&lt;") if "<" in text else text)

    def written(self) -> str:
        """The page."""
        return "".join(self._out)

    def start(self, name: str, attributes: str) -> None:
        """A start tag; what it ends by its being there is ended first (HTML section 13.1.2.4)."""
        hidden = bool(attributes) and bool(_MAY_HIDE.search(attributes)) and _is_hidden(attributes)
        if name in ("br", "img"):
            if not hidden:
                self._out.append(f"<{name}{_kept(name, attributes)}>")
        elif name in _VOID or name in _FRAME:
            pass
        elif name in _ROWS or name in _CELLS:
            self._table_part(name, hidden)
        elif name in BLOCKS:
            self._block(name, attributes, hidden)
        elif name == "a":
            self._close("a")
            if hidden or (kept := _kept(name, attributes)):
                self._push(name, name, "" if hidden else kept, hidden)
        elif hidden:
            self._push(name, "span", "", hidden)
        elif self._counts[-1].get(name):
            # Inside a hidden one of its name: its end is not the other's.
            self._push(name, "", "", hidden)

    def _block(self, name: str, attributes: str, hidden: bool) -> None:
        self._close("p")
        if name == "hr":
            self._out.append("<hr>")
            return
        if name in _ITEMS:
            self._end_item(_ITEMS[name])
        elif name in HEADINGS and self._open and self._open[-1][0] in HEADINGS:
            self._pop()
        self._push(name, "div" if name in _PLAIN_BLOCKS else name, _kept(name, attributes), hidden)

    def _end_item(self, names: frozenset[str]) -> None:
        """The item of the same list that stands open."""
        for name, _ in reversed(self._open[-_ITEM_REACH:]):
            if name in names:
                self._close(name)
            if name in names or name in _LISTS or name in _CELLS or name == "table":
                return

    def _table_part(self, name: str, hidden: bool) -> None:
        """A cell, row or group of rows; outside a table it is none."""
        if self._scopes[-1] in _CELLS:
            self._close_scope()
        if self._scopes[-1] != "table":
            return
        if name in ("td", "th"):
            self._clear_to("tr")
            if self._open[-1][0] != "tr":
                self._clear_to(*TABLE_GROUPS)
                self._push("tr", "tr", "", False)
        elif name == "tr":
            self._clear_to(*TABLE_GROUPS)
        else:
            self._clear_to()
        if self._open[-1][0] in ("table", *_ROWS):
            self._push(name, name, "", hidden)

    def _clear_to(self, *names: str) -> None:
        """End what is open in the table, up to one of these or the table itself."""
        counts = self._counts[-1]
        stop = names if any(counts.get(name) for name in names) else ("table",)
        while self._open[-1][0] not in stop and self._open[-1][0] != "table":
            self._pop()

    def end(self, name: str) -> None:
        """An end tag: closes what is open, and nothing else."""
        if name == "table" or name in _CELLS:
            if name == "table" and self._scopes[-1] in _CELLS and self._scopes[-2] == "table":
                self._close_scope()
            if self._scopes[-1] == name:
                self._close_scope()
        elif name in _ROWS and self._scopes[-1] in _CELLS and self._counts[-2].get(name):
            self._close_scope()
            self._close(name)
        elif name == "br":
            self._out.append("<br>")
        elif name == "p" and not self._counts[-1].get("p"):
            self._out.append("<p></p>")
        else:
            self._close(name)

    def _close(self, name: str) -> None:
        """End the innermost of this name in the scope, and what stands open in it."""
        while self._counts[-1].get(name):
            if self._pop() == name:
                return

    def _close_scope(self) -> None:
        while self._counts[-1]:
            self._pop()
        self._pop()

    def _push(self, name: str, written: str, attributes: str, hidden: bool) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._out.append(" ")
            return
        if written:
            self._out.append(f"<{written} hidden>" if hidden else f"<{written}{attributes}>")
        self._open.append((name, written))
        counts = self._counts[-1]
        counts[name] = counts.get(name, 0) + 1
        if name == "table" or name in _CELLS:
            self._scopes.append(name)
            self._counts.append({})

    def _pop(self) -> str:
        name, written = self._open.pop()
        if name == "table" or name in _CELLS:
            self._scopes.pop()
            self._counts.pop()
        if written:
            self._out.append(f"</{written}>")
        counts = self._counts[-1]
        if counts[name] == 1:
            del counts[name]
        else:
            counts[name] -= 1
        return name


def _values(attributes: str) -> dict[str, str]:
    """The attributes of a tag by their lower-case names, as written; the first of a name counts."""
    values: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(attributes):
        values.setdefault(found["name"].lower(), found["double"] or found["single"] or found["bare"] or "")
    return values


def _is_hidden(attributes: str) -> bool:
    values = _values(attributes)
    return "hidden" in values or bool(HIDING.search(values.get("style", "")))


def _kept(name: str, attributes: str) -> str:
    """The attributes that say something to a reader of the text."""
    wanted = _KEPT.get(name)
    if not wanted or "=" not in attributes:
        return ""
    values = _values(attributes)
    quoted = ((key, values[key].replace('"', "&quot;")) for key in wanted if key in values)
    return "".join(f' {key}="{value}"' for key, value in quoted)
