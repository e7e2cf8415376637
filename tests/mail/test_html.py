from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.body import html_to_text, table_rows, unflow


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("Ahoj", "Ahoj"),
        ("<p>Ahoj <b>Jano</b>,</p>\n<p>x</p>", "Ahoj Jano,\n\nx"),
        ("<div>a</div><div>b<br>c</div>", "a\nb\nc"),
        ("a<br><br>b", "a\n\nb"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("a &amp; b&nbsp;&euro; &lt;c&gt;", "a & b € <c>"),
        ("<table><tr><td>Stav</td> <td><p>Nový</p></td></tr><tr><th>Předmět<td>x</table>", "Stav\tNový\nPředmět\tx"),
        ("<head><title>t</title></head><style>p{}</style><script>x()</script><!-- c -->a", "a"),
        ("a<span style='Display: none'>b</span><p hidden>c</p>", "a"),
        ("<pre> a\n  b</pre>", " a\n  b"),
        ("x <img alt='logo'> y", "x logo y"),
        ("<a href='https://x.cz/?id=5'>zde</a>", "zde <https://x.cz/?id=5>"),
        ("<a href='https://x.cz'>https://x.cz</a>", "https://x.cz"),
        ("<a href='mailto:a@b.cz'>a@b.cz</a>, <a href='#x'>y</a>", "a@b.cz, y"),
        ("<a href='javascript:alert(1)'>y</a>", "y"),
        ("<p>a</p>" * 3, "a\n\na\n\na"),
    ],
)
def test_html_is_what_its_reader_sees(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_text_below_the_deepest_level_is_kept() -> None:
    text = html_to_text("<div>" * 3000 + "hluboko" + "</div>" * 3000 + "konec")
    assert text.split() == ["hluboko", "konec"]


def test_a_huge_tag_is_left_out() -> None:
    assert html_to_text("a<img src='data:" + "x" * 30_000 + "'>b") == "a b"


@pytest.mark.parametrize(
    ("html", "rows"),
    [
        ("<table><tr><th>Stav</th><td> Nový\n <b>x</b></td></tr></table>", [("Stav", "Nový x")]),
        ("<table><tr><td>a<br>b<td></table>", [("a b", "")]),
        ("<table><tr><td>x<table><tr><td>a<td>b</table>y</table>", [("a", "b")]),
        ("<table><tr></table>", [()]),
        ("<p>a</p>", []),
    ],
)
def test_table_rows_are_their_cells(html: str, rows: list[tuple[str, ...]]) -> None:
    assert table_rows(html) == rows


@pytest.mark.parametrize(
    ("flowed", "text"),
    [
        ("a \nb\nc", "a b\nc"),
        ("> a \n> b\n>> c", "> a b\n>> c"),
        (" >a \n  b", ">a  b"),
        ("a\n-- \nb", "a\n-- \nb"),
        ("a \n> b", "a \n> b"),
        ("a \n", "a "),
    ],
)
def test_soft_line_ends_are_joined_within_their_depth(flowed: str, text: str) -> None:
    assert unflow(flowed) == text


def test_a_deleted_space_joins_a_word() -> None:
    assert unflow("slo \nvo", delete_space=True) == "slovo"


HTMLISH = st.lists(
    st.sampled_from(
        [
            "<p>",
            "</p>",
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<a href=x>",
            "</a>",
            "<",
            "&",
            "a ",
            "<pre>",
            "</pre>",
            "<svg>",
        ]
    )
).map("".join)


@given(HTMLISH | st.text())
def test_no_html_breaks_the_reader(html: str) -> None:
    assert "\0" not in html_to_text(html.replace("\0", ""))
    assert all(isinstance(row, tuple) for row in table_rows(html))
