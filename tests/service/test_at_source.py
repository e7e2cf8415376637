"""What lies in a mailbox against the inbox: mail that should be gone, and mail that never comes."""

from __future__ import annotations

from collections.abc import Collection

from crmservice.service.at_source import AtSource
from crmservice.sources import SourceError
from crmservice.testing.builders import eml
from tests.service.desk import Desk
from tests.service.shelf import Shelf, ShelfSource


class ListedShelf(ShelfSource):
    """A mailbox that can be listed. ``then``: what is done to it after the first list."""

    remote = True

    def __init__(self, shelf: Shelf, then: Collection[str] = (), fault: str = "") -> None:
        super().__init__(shelf)
        self._then, self._fault = then, fault
        self.closed = 0

    def present(self) -> Collection[str]:
        if self._fault:
            raise SourceError(self._fault)
        found = list(self.shelf)
        for name in self._then:
            self.shelf.pop(name, None)
        return found

    def close(self) -> None:
        super().close()
        self.closed += 1


def look(desk: Desk, shelf: Shelf, before: AtSource | None = None, **how: object) -> AtSource:
    found = AtSource(before.waiting if before else {})
    source = ListedShelf(shelf, **how)  # type: ignore[arg-type]
    found.look(desk.box, [source])
    assert source.closed == 1
    return found


def said(found: AtSource) -> list[str]:
    return [f"{one.kind} {one.words}" for one in found.differences]


def test_an_empty_mailbox_has_no_difference(desk: Desk) -> None:
    desk.put(eml("one"))
    desk.take()
    found = look(desk, {})
    assert (said(found), found.waiting, found.away) == ([], {"crm shelf": []}, [])


def test_mail_whose_deletion_was_confirmed_and_that_is_still_there_is_a_difference(desk: Desk) -> None:
    desk.put(eml("one"))
    desk.take()
    assert said(look(desk, {"0000": eml("one")})) == [
        "server-kept crm shelf: 0000: its deletion was confirmed, and it is still there"
    ]


def test_mail_that_goes_while_it_is_listed_is_none(desk: Desk) -> None:
    desk.put(eml("one"))
    desk.take()
    assert said(look(desk, {"0000": eml("one")}, then=["0000"])) == []


def test_mail_whose_deletion_is_not_confirmed_yet_is_none(desk: Desk) -> None:
    desk.put(eml("one"))
    desk.take(ShelfSource(desk.shelf, keeps=frozenset({"0000"})))
    found = look(desk, desk.shelf)
    assert (said(found), found.waiting) == ([], {"crm shelf": []})


def test_mail_that_waits_is_a_difference_only_at_the_second_look(desk: Desk) -> None:
    first = look(desk, {"a": b"", "b": b""})
    assert (said(first), first.waiting) == ([], {"crm shelf": ["a", "b"]})
    second = look(desk, {"b": b"", "c": b""}, first)
    assert said(second) == ["server-waiting crm shelf: b: lies there since the last look, and never arrived here"]


def test_a_mailbox_that_is_away_and_one_that_can_not_be_listed_hide_no_other(desk: Desk) -> None:
    found = AtSource()
    sources = [ShelfSource({"x": b""}), ListedShelf({}, fault="the line is dead"), ListedShelf({"y": b""})]
    found.look(desk.box, sources)
    assert [(place, str(why)) for place, why in found.away] == [("crm shelf", "the line is dead")]
    assert found.waiting == {"crm shelf": ["y"]}
