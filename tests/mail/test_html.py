from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.body import html_to_text, html_to_texts, table_rows, unflow
from crmservice.mail.nesting import rewritten, well_nested
from crmservice.mail.parsing import parse
from crmservice.mail.reading import read
from tests.mail.clock import assert_linear
from tests.mail.test_quoting import MAILS, REPLIES


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


def test_text_in_the_deepest_table_is_kept() -> None:
    assert html_to_text("<table><tr><td>" * 200 + "hluboko").strip() == "hluboko"


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


HOSTILE = {
    "formatting repeated in each paragraph": "<p>" + "".join(f"<b a={n}>" for n in range(450)) + "x<p>" * 50_000,
    "a link repeated in each paragraph": f"<p><a href='http://x/{'a' * 19_000}'>" + "x<p>" * 50_000,
    "end tags of what is not open": "<div></x>" * 22_000,
    "end tags of what is open further out": "<x><div></x></div>" * 11_000,
    "end tags in comments": "<div><!--</x>-->" * 12_000,
    "end tags in attributes": "<div a='</div>'>" * 12_000,
    "end tags in styles": "<div><style></div></style>" * 8_000,
    "items of two kinds": "<dd><li>" * 25_000,
    "a tag with tags among its attributes": "<p " + "".join(f"b{n} {'< ' * (n % 999 == 0)}" for n in range(30_000)),
    "links open across rows": f"<table><a href='http://x/{'a' * 9_000}'>" + "<tr>x" * 38_000,
    "quotation marks without a partner": "<p a='\"<p a=\"'" * 14_000,
    "elements that are never shown and never end": "<svg><template>" * 13_000,
}


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_tags_without_their_partners_cost_is_linear(html: str) -> None:
    # The head of a page is the same in each size: it is what the rest is multiplied by.
    assert_linear(lambda size: lambda: html_to_text(html[:size]), size=200_000, bound=0.6)


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("size", [20_000, 25_000, 100_000])
def test_text_is_no_longer_than_its_html(html: str, size: int) -> None:
    assert len(html_to_text(html[:size])) <= size


def test_a_page_that_is_small_is_not_written_anew() -> None:
    assert well_nested("<p><b>a<p>b</x>") == "<p><b>a<p>b</x>"


@pytest.mark.parametrize("name", [name for name in MAILS if b"text/html" in (REPLIES / f"{name}.eml").read_bytes()])
def test_the_mail_of_each_program_says_the_same_when_written_anew(name: str) -> None:
    html = parse((REPLIES / f"{name}.eml").read_bytes()).html
    assert html_to_texts(rewritten(html)) == html_to_texts(html)


@pytest.mark.parametrize(
    "html",
    [
        "<p>a<p>b<div>c</div>d",
        "<p><font color=red>a<p>b</font>c",
        "<ul><li>a<li>b<ul><li>c<li>d</ul><li>e</ul>f",
        "<dl><dt>a<dd>b<dt>c</dl>",
        "<table><tr><td>a<td>b<tr><th>c<td><p>d</p></table>e",
        "<table><tbody><tr><td><table><tr><td>a</table>b</td></tr></tbody></table>",
        "<td>a<tr>b",
        "<a href=https://x.cz/?a=1&amp;b=2>a<a href='https://y.cz/\"'>b</a>c",
        "<!DOCTYPE html><html><head><title>t</title><style>p>a{}</style></head><body a='>'>b</body></html>",
        "<!--[if mso]><p>a</p><![endif]--><![if !mso]>b<![endif]>c",
        "a<span style='display:none'>b<span>c</span>d</span>e<p hidden>f</p>g<img alt=h hidden><img alt='\"i'>",
        "<svg/>a<svg><text>b</text></svg>c<select><option>d</select>e<script>'<p>'</script>f",
        "1 < 2 <3 &lt;p> a<b",
        "<<!-- -->b>a",
        "a</p>b</br>c<hr>d<h1>e<h2>f</h2>g<pre>\n h\n  i</pre>",
        "<blockquote type='cite'>a<blockquote class=x>b</blockquote></blockquote>c",
        "a<p title='unfinished",
    ],
)
def test_html_says_the_same_when_written_anew(html: str) -> None:
    assert html_to_texts(rewritten(html)) == html_to_texts(html)
    assert table_rows(rewritten(html)) == table_rows(html)


PHRASES = st.recursive(
    st.sampled_from(["a", " b ", "&amp;", "<br>", "c\n"]),
    lambda inner: st.builds(
        "<{0} {2}>{1}</{0}>".format,
        st.sampled_from(["b", "span", "font", "i", "o:p"]),
        st.lists(inner, max_size=3).map("".join),
        st.sampled_from(["", "a=1", "style='display: none'"]),
    ),
    max_leaves=6,
)
ELEMENTS = st.recursive(
    PHRASES,
    lambda inner: st.builds(
        lambda name, content: name.replace("*", content),
        st.sampled_from(
            [
                "<div>*</div>",
                "<ul><li>*</li><li>a</li></ul>",
                "<blockquote class='quote'>*</blockquote>",
                "<table><tr><td>a</td><td>*</td></tr></table>",
                "<center>*</center>",
                "<div hidden>*</div>",
            ]
        ),
        st.lists(inner | PHRASES.map("<p>{}</p>".format), max_size=3).map("".join),
    ),
    max_leaves=8,
)


@given(ELEMENTS)
def test_any_sound_html_says_the_same_when_written_anew(html: str) -> None:
    assert html_to_texts(rewritten(html)) == html_to_texts(html)
    assert table_rows(rewritten(html)) == table_rows(html)


@given(HTMLISH | st.text())
def test_text_of_any_html_is_no_longer_than_it(html: str) -> None:
    assert len(html_to_text(html)) <= len(html)
    assert len(html_to_text(rewritten(html))) <= len(html)


def fresh_of(html: str) -> str:
    """What is fresh of a mail that has only HTML."""
    return read(b"From: a@b.cz\nContent-Type: text/html; charset=utf-8\n\n" + html.encode()).fresh


@pytest.mark.parametrize("kind", ["type='cite'", "class='gmail_quote'", "class=moz-cite", "TYPE=CITE style='margin:0'"])
def test_a_quotation_without_a_line_above_it_is_not_fresh(kind: str) -> None:
    assert fresh_of(f"<p>Souhlasím.</p><blockquote {kind}><p>Platí to?</p><p>Jana</p></blockquote>") == "Souhlasím."


def test_what_is_written_below_a_quotation_is_fresh_too() -> None:
    html = "<p>Ahoj,</p><blockquote type='cite'><p>Platí to?</p></blockquote><p>ano.</p>"
    assert fresh_of(html).split() == ["Ahoj,", "ano."]


def test_a_mail_that_is_nothing_but_a_quotation_is_fresh_without_its_signs() -> None:
    assert fresh_of("<blockquote type='cite'><p>Platí to?</p><p>Jana</p></blockquote>") == "Platí to?\n\nJana"


def test_what_is_only_indented_is_the_writers_own() -> None:
    assert fresh_of("<p>Ahoj,</p><blockquote><p>ano.</p></blockquote>").split() == ["Ahoj,", "ano."]


def test_a_quotation_in_a_quotation_ends_with_the_one_around_it() -> None:
    inner = "<blockquote type='cite'>první</blockquote>"
    html = f"<p>Ahoj,</p><blockquote type='cite'>{inner}<p>druhá</p></blockquote><p>ano.</p>"
    assert fresh_of(html).split() == ["Ahoj,", "ano."]
