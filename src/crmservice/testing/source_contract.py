"""What every source keeps to (SPEC chapter 3). A test class inherits it and says how its source is made."""

from __future__ import annotations

from abc import ABC, abstractmethod

from crmservice.sources import Listing, Source

NOTHING: frozenset[str] = frozenset()


def message(number: int, body: str = "Dobrý den") -> bytes:
    """A small message; CRLF line ends, one line that begins with a dot."""
    return f"Subject: {number}\r\nFrom: jana@acme.cz\r\n\r\n.{body}\r\n..\r\n{number}\r\n".encode()


class SourceContract(ABC):
    """The contract; pytest collects it through a subclass named ``Test…``."""

    @abstractmethod
    def put(self, data: bytes) -> None:
        """Put a message into the source, behind the others."""

    @abstractmethod
    def source(self) -> Source:
        """A source that has not been contacted yet."""

    @abstractmethod
    def left(self) -> list[bytes]:
        """What the source holds now, seen without it."""

    def test_it_is_a_source(self) -> None:
        """The protocol's names are all there."""
        assert isinstance(self.source(), Source)

    def test_an_empty_source_yields_nothing(self) -> None:
        """Nothing, and no fault."""
        source = self.source()
        assert list(source.fetch(NOTHING.__contains__, 10_000)) == []
        assert source.faults == []
        source.close()

    def test_messages_come_byte_for_byte_and_in_their_order(self) -> None:
        """Dots, order and bytes are kept."""
        messages = [message(number) for number in range(3)]
        for data in messages:
            self.put(data)
        source = self.source()
        assert [found.data for found in source.fetch(NOTHING.__contains__, 10_000)] == messages
        source.close()

    def test_nothing_is_deleted_before_it_is_confirmed(self) -> None:
        """Reading and closing delete nothing, and a new session offers the same under the same ids."""
        self.put(message(1))
        source = self.source()
        first = [found.source_id for found in source.fetch(NOTHING.__contains__, 10_000)]
        source.close()
        assert self.left() == [message(1)]
        again = self.source()
        assert [found.source_id for found in again.fetch(NOTHING.__contains__, 10_000)] == first
        again.close()

    def test_exactly_what_is_confirmed_is_deleted(self) -> None:
        """The others stay, and are not offered twice."""
        for number in range(4):
            self.put(message(number))
        source = self.source()
        found = list(source.fetch(NOTHING.__contains__, 10_000))
        wanted = [found[1].source_id, found[3].source_id]
        assert sorted(source.confirm(wanted)) == sorted(wanted)
        assert list(source.fetch(NOTHING.__contains__, 10_000)) == []
        source.close()
        assert sorted(self.left()) == [message(0), message(2)]

    def test_a_batch_is_as_large_as_asked_for_and_the_next_goes_on(self) -> None:
        """Rounds of two until nothing is left."""
        for number in range(5):
            self.put(message(number))
        source = self.source()
        rounds = []
        while found := list(source.fetch(NOTHING.__contains__, 10_000, batch=2)):
            rounds.append([one.data for one in found])
            source.confirm([one.source_id for one in found])
        source.close()
        assert [len(one) for one in rounds] == [2, 2, 1]
        assert [data for one in rounds for data in one] == [message(number) for number in range(5)]
        assert self.left() == []

    def test_several_batches_may_be_confirmed_together(self) -> None:
        """Nothing of them is gone before, and nothing else with them."""
        for number in range(5):
            self.put(message(number))
        source = self.source()
        ids = [one.source_id for _ in range(2) for one in source.fetch(NOTHING.__contains__, 10_000, batch=2)]
        assert len(self.left()) == 5
        assert sorted(source.confirm(ids)) == sorted(ids)
        assert [one.data for one in source.fetch(NOTHING.__contains__, 10_000)] == [message(4)]
        source.close()
        assert self.left() == [message(4)]

    def test_too_large_a_message_gives_its_header_alone_and_the_others_come(self) -> None:
        """The cap holds whatever is announced; the message stays."""
        large = message(1, "x" * 20_000)
        for data in (message(0), large, message(2)):
            self.put(data)
        source = self.source()
        found = list(source.fetch(NOTHING.__contains__, 10_000))
        assert [one.oversize for one in found] == [False, True, False]
        assert found[1].data == large[: large.index(b"\r\n\r\n") + 4]
        source.confirm([one.source_id for one in found if not one.oversize])
        source.close()
        assert self.left() == [large]

    def test_a_known_message_is_not_read(self) -> None:
        """What was set aside for its size is passed over."""
        for number in range(3):
            self.put(message(number))
        source = self.source()
        ids = [one.source_id for one in source.fetch(NOTHING.__contains__, 10_000)]
        source.close()
        again = self.source()
        assert [one.data for one in again.fetch({ids[0], ids[1]}.__contains__, 10_000)] == [message(2)]
        again.close()

    def test_a_message_read_before_a_crash_is_read_and_deleted_in_a_new_session(self) -> None:
        """A session that ends without a word leaves everything as it was."""
        self.put(message(1))
        crashed = self.source()
        ids = [one.source_id for one in crashed.fetch(NOTHING.__contains__, 10_000)]
        crashed.close()
        source = self.source()
        assert [one.source_id for one in source.fetch(NOTHING.__contains__, 10_000)] == ids
        assert list(source.confirm(ids)) == ids
        source.close()
        assert self.left() == []


class ListingContract(SourceContract):
    """What a source keeps to that can be listed without reading."""

    def test_what_is_present_is_named_and_nothing_is_read_or_deleted(self) -> None:
        """Under the ids that fetch gives; the next fetch offers everything."""
        for number in range(3):
            self.put(message(number))
        source = self.source()
        assert isinstance(source, Listing)
        present = source.present()
        found = list(source.fetch(NOTHING.__contains__, 10_000))
        assert {one.source_id for one in found} == set(present)
        assert [one.data for one in found] == [message(number) for number in range(3)]
        source.confirm([found[0].source_id])
        assert set(source.present()) == {one.source_id for one in found[1:]}
        source.close()
        assert len(self.left()) == 2

    def test_nothing_is_present_in_an_empty_source(self) -> None:
        """No id, no fault."""
        source = self.source()
        assert isinstance(source, Listing)
        assert list(source.present()) == []
        assert source.faults == []
