"""Where a message ends, and which bytes are its own (RFC 5321 section 4.5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmservice.sources.smtp_in.data import Spool, Transparency

BYTES = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"a"])).map(b"".join)


def doubled(mail: bytes) -> bytes:
    """The mail as a client sends it (RFC 5321 section 4.5.2), with the end behind it."""
    return (b"\r\n" + mail).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def taken(sent: bytes, cuts: set[int]) -> tuple[bytes, bytes | None]:
    """What becomes of bytes that come in pieces, cut at these places."""
    dots = Transparency()
    mail = b""
    edges = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    for start, end in pairwise(edges):
        part, rest = dots.feed(sent[start:end])
        mail += part
        if rest is not None:
            return mail, rest + sent[end:]
    return mail, None


@given(BYTES, BYTES, st.sets(st.integers(0, 60)))
@example(b"", b"", set())
@example(b".\r\n", b"", {1, 2, 3})
def test_a_mail_is_what_was_sent_however_it_is_cut(body: bytes, behind: bytes, cuts: set[int]) -> None:
    mail = body + b"\r\n"
    assert taken(doubled(mail) + behind, cuts) == (mail, behind)


@given(BYTES, st.sets(st.integers(0, 60)))
def test_bytes_in_pieces_are_what_they_are_in_one(sent: bytes, cuts: set[int]) -> None:
    assert taken(sent + b"\r\n.\r\n", cuts) == taken(sent + b"\r\n.\r\n", set())


@pytest.mark.parametrize(
    "no_end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\n\x00.\r\n", b"\r\r\n..\r\n"]
)  # fmt: skip
def test_no_end_but_cr_lf_dot_cr_lf_ends_a_mail(no_end: bytes) -> None:
    smuggled = b"MAIL FROM:<x@x>\r\n"
    mail, rest = taken(b"Subject: a\r\n\r\nb" + no_end + smuggled + b".\r\nQUIT\r\n", set())
    assert rest == b"QUIT\r\n"
    assert mail.endswith(smuggled)


def test_a_mail_may_be_empty() -> None:
    assert taken(b".\r\nQUIT\r\n", set()) == (b"", b"QUIT\r\n")


@pytest.fixture(params=[1, 1000], ids=["in a file", "in memory"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(10, tmp_path, in_memory=request.param)
    yield spool
    spool.close()


def test_a_spool_gives_back_what_it_took(spool: Spool) -> None:
    spool.add(b"01234")
    spool.add(b"56789")
    assert (spool.read(), spool.size, spool.too_large) == (b"0123456789", 10, False)


def test_a_spool_counts_what_is_too_much_and_keeps_none_of_it(spool: Spool) -> None:
    for _ in range(3):
        spool.add(b"01234567")
    assert (spool.size, spool.too_large, spool.fault) == (24, True, None)
    with pytest.raises(ValueError, match="closed"):
        spool.read()


def test_a_spool_whose_folder_is_gone_says_why(tmp_path: Path) -> None:
    spool = Spool(100, tmp_path / "nowhere", in_memory=1)
    spool.add(b"0123456789")
    spool.add(b"more")
    spool.close()
    assert isinstance(spool.fault, FileNotFoundError)
    assert spool.size == 14


def test_a_large_mail_has_no_name_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(100, tmp_path, in_memory=1)
    spool.add(b"personal")
    assert list(tmp_path.iterdir()) == []
    spool.close()
