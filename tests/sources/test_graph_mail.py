"""Mail through Microsoft Graph, against the stand-in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from crmservice.microsoft.graph import Graph
from crmservice.microsoft.pace import Pace
from crmservice.microsoft.tokens import TokenError
from crmservice.sources import Fetched, Source, SourceError
from crmservice.sources.graph_mail import GraphMailSource
from crmservice.testing.graph import faults
from crmservice.testing.graph.mail import Mailbox, MailServer
from crmservice.testing.graph.server import Fault, Request
from crmservice.testing.source_contract import ListingContract, message
from crmservice.testing.tokens import FixedToken
from tests.support import graph as support
from tests.support.graph import Clock

clock, graph, mailbox, new_graph, pace = support.clock, support.graph, support.mailbox, support.new_graph, support.pace
server = support.server

ADDRESS = "crm@firma.cz"


class TestGraphMail(ListingContract):
    @pytest.fixture(autouse=True)
    def _mailbox(self, mailbox: Mailbox, new_graph: Callable[..., Graph]) -> None:
        self.mailbox, self.new_graph = mailbox, new_graph

    def put(self, data: bytes) -> None:
        self.mailbox.put(data)

    def source(self) -> Source:
        return GraphMailSource(self.new_graph(), ADDRESS)

    def left(self) -> list[bytes]:
        return self.mailbox.inbox()


@pytest.fixture
def source(graph: Graph) -> GraphMailSource:
    return GraphMailSource(graph, ADDRESS)


def nothing(_name: str) -> bool:
    return False


def emptied(source: Source, limit: int = 10_000) -> list[bytes]:
    """Everything that the source gives, each batch deleted."""
    found: list[bytes] = []
    while batch := list(source.fetch(nothing, limit)):
        found += [one.data for one in batch]
        source.confirm(_names(batch))
    return found


def _names(mails: Sequence[Fetched]) -> list[str]:
    return [one.source_id for one in mails if not one.oversize]


def of(number: int) -> Callable[[Request], bool]:
    """The requests for the MIME of the message with this number."""
    return lambda request: request.path[-1] == "$value" and f"{number:08}" in request.path[3]


def filled(mailbox: Mailbox, count: int) -> list[bytes]:
    mails = [message(number) for number in range(1, count + 1)]
    for data in mails:
        mailbox.put(data)
    return mails


# What is asked


def test_three_kinds_of_requests_empty_an_inbox(source: GraphMailSource, server: MailServer, mailbox: Mailbox) -> None:
    mails = filled(mailbox, 60)
    assert emptied(source) == mails
    assert mailbox.inbox() == []
    assert all(one.folder == "purges" for one in mailbox.messages)
    lists = [request for request in server.requests if request.path[-1] == "messages"]
    assert lists[0].query == {"$top": "50", "$orderby": "receivedDateTime", "$select": "id,receivedDateTime"}
    assert len(lists) == 3
    assert len(server.requests) == len(lists) + 2 * 60
    assert server.most_at_once[ADDRESS] <= 4


def test_a_box_full_of_mail_that_is_too_large_does_not_hide_the_rest(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    large = message(0, "x" * 2000)
    for _ in range(70):
        mailbox.put(large)
    mailbox.put(message(1))
    first = [list(source.fetch(nothing, 1000)), list(source.fetch(nothing, 1000))]
    assert [one.oversize for batch in first for one in batch] == [True] * 70 + [False]
    source.close()
    known = {one.source_id for batch in first for one in batch if one.oversize}
    server.requests.clear()
    assert [one.data for one in source.fetch(known.__contains__, 1000)] == [message(1)]
    assert sum(request.path[-1] == "$value" for request in server.requests) == 1


def test_a_message_larger_than_is_read_side_by_side_comes_whole(source: GraphMailSource, mailbox: Mailbox) -> None:
    large = message(1, "x" * 5_000_000)
    mailbox.put(large)
    mailbox.put(message(2))
    assert emptied(source, 6_000_000) == [large, message(2)]


def test_an_address_and_an_id_are_quoted(new_graph: Callable[..., Graph], server: MailServer) -> None:
    mailbox = server.add("crm+a%20b@firma.cz")
    mailbox.put(message(1))
    assert emptied(GraphMailSource(new_graph(), "crm+a%20b@firma.cz")) == [message(1)]


# What goes wrong with a message


def test_a_message_that_goes_while_it_is_read_is_no_fault(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mails = filled(mailbox, 3)
    server.faults.append(faults.only(of(2), faults.refusing(404, "ErrorItemNotFound")))
    assert emptied(source) == [mails[0], mails[2]]
    assert source.faults == []


def test_a_message_that_somebody_else_deleted_counts_as_deleted(source: GraphMailSource, mailbox: Mailbox) -> None:
    filled(mailbox, 3)
    names = _names(list(source.fetch(nothing, 10_000)))
    mailbox.messages[1].folder = "purges"
    assert list(source.confirm(names)) == names


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    "fault",
    [faults.page_instead(), faults.refusing(400, "ErrorMimeContentInvalid"), faults.refusing(500, "generalException")],
)
def test_a_message_that_can_not_be_had_is_left_and_the_others_come(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer, fault: Fault, count: int
) -> None:
    mails = filled(mailbox, 2 + count)
    server.faults.append(faults.only(of(2), fault))
    assert [one.data for one in source.fetch(nothing, 10_000)] == [mails[0], *mails[2:]]
    assert len(source.faults) == 1
    assert "00000002" in str(source.faults[0])
    source.close()
    assert emptied(source) == [mails[0], *mails[2:]]
    assert mailbox.inbox() == [mails[1]]


def test_messages_that_can_not_be_had_do_not_hide_the_rest_and_alone_they_are_told(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mails = filled(mailbox, 60)
    bad = {f"{number:08}" for number in range(1, 56)}
    server.faults.append(
        faults.only(lambda one: one.path[-1] == "$value" and one.path[3][6:14] in bad, faults.page_instead())
    )
    assert [one.data for one in source.fetch(nothing, 10_000)] == mails[55:]
    source.close()
    for stored in mailbox.messages[55:]:
        stored.folder = "purges"
    with pytest.raises(SourceError, match="in the place of the message"):
        list(source.fetch(nothing, 10_000))


def test_what_lies_before_a_list_breaks_off_is_read_before_that_is_a_fault(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mails = filled(mailbox, 3)
    server.faults.append(
        faults.only(lambda one: one.path[-1] == "messages", faults.linking("https://example.invalid/"))
    )
    found = list(source.fetch(nothing, 10_000))
    assert [one.data for one in found] == mails
    assert sorted(source.confirm(_names(found))) == sorted(_names(found))
    with pytest.raises(SourceError, match="another server"):
        list(source.fetch(nothing, 10_000))


def test_a_body_that_breaks_off_is_never_taken_for_the_message(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mails = filled(mailbox, 2)
    server.faults.append(faults.only(of(1), faults.cut(10)))
    assert [one.data for one in source.fetch(nothing, 10_000)] == [mails[1]]
    assert mailbox.inbox() == mails


def test_a_server_that_breaks_off_again_and_again_is_left(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    filled(mailbox, 20)
    server.faults.append(faults.only(lambda one: one.path[-1] == "$value", faults.lost()))
    with pytest.raises(SourceError, match="reading") as caught:
        list(source.fetch(nothing, 10_000))
    assert not caught.value.permanent
    assert len(server.requests) < 12


# Deleting


def test_a_deletion_whose_answer_is_lost_is_certain_all_the_same(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    filled(mailbox, 8)
    names = _names(list(source.fetch(nothing, 10_000)))
    server.faults += [faults.once(faults.lost(), after=after) for after in (0, 3)]
    assert list(source.confirm(names)) == names
    assert mailbox.inbox() == []


@pytest.mark.parametrize("lost", [False, True])
def test_a_mailbox_that_remembers_deleted_messages_gives_certainty_too(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer, lost: bool
) -> None:
    mailbox.remembers = True
    filled(mailbox, 2)
    names = _names(list(source.fetch(nothing, 10_000)))
    if lost:
        server.faults.append(faults.once(faults.lost()))
    else:
        mailbox.messages[0].folder = "purges"
    assert list(source.confirm(names)) == names
    assert source.faults == []


def test_a_message_that_may_not_be_deleted_is_not_taken_for_deleted(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mails = filled(mailbox, 3)
    names = _names(list(source.fetch(nothing, 10_000)))
    held = faults.refusing(403, "ErrorCannotDeleteObject")
    server.faults.append(faults.only(lambda one: one.method == "POST" and one.path[3] == names[1], held))
    assert list(source.confirm(names)) == [names[0], names[2]]
    assert mailbox.inbox() == [mails[1]]
    assert "is not deleted" in str(source.faults[0])
    assert list(source.fetch(nothing, 10_000)) == []


def test_where_permanent_deletion_is_missing_the_message_leaves_deleted_items_too(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mailbox.national = True
    mails = filled(mailbox, 3)
    assert emptied(source) == mails
    assert [one.folder for one in mailbox.messages] == ["recoverable"] * 3
    assert sum(request.path[-1] == "permanentDelete" for request in server.requests) == 1


def test_a_message_that_stays_in_deleted_items_is_named(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mailbox.national = True
    filled(mailbox, 1)
    names = _names(list(source.fetch(nothing, 10_000)))
    trouble = faults.once(faults.refusing(400, "x"), after=1, when=lambda one: one.method == "DELETE")
    server.faults.append(trouble)
    assert list(source.confirm(names)) == names
    assert "stays in Deleted Items" in str(source.faults[0])


def test_a_missing_right_to_delete_is_told_once_and_nothing_counts_as_deleted(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    server.roles = frozenset({"Mail.Read"})
    filled(mailbox, 20)
    names = _names(list(source.fetch(nothing, 10_000)))
    server.requests.clear()
    with pytest.raises(SourceError, match=r"lacks Mail\.ReadWrite") as caught:
        source.confirm(names)
    assert caught.value.permanent
    assert len(server.requests) == 1
    assert len(mailbox.inbox()) == 20


# Who may


def test_a_mailbox_that_may_be_read_and_emptied_is_fine_and_stays_as_it_is(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mails = filled(mailbox, 2)
    source.probe()
    assert mailbox.inbox() == mails
    assert not any(request.path[-1] == "$value" for request in server.requests)


def test_a_cloud_without_permanent_deletion_is_fine(source: GraphMailSource, mailbox: Mailbox) -> None:
    mailbox.national = True
    source.probe()


@pytest.mark.parametrize(
    ("roles", "denied", "words"),
    [
        ({"Mail.Read"}, False, r"lacks Mail\.ReadWrite"),
        (set(), False, r"lacks Mail\.ReadWrite"),
        ({"Mail.ReadWrite"}, True, "Test-ApplicationAccessPolicy"),
    ],
)
def test_the_right_that_is_missing_is_named(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer, roles: set[str], denied: bool, words: str
) -> None:
    server.roles, mailbox.denied = frozenset(roles), denied
    with pytest.raises(SourceError, match=words) as caught:
        source.probe()
    assert caught.value.permanent
    assert ADDRESS in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "permanent", "words"),
    [
        (404, "MailboxNotEnabledForRESTAPI", True, "on premises"),
        (404, "ErrorInvalidUser", True, "check graphMailbox"),
        (404, "ResourceNotFound", True, "check graphMailbox"),
        (401, "InvalidAuthenticationToken", True, "check graph_scope"),
        (410, "SyncStateNotFound", False, "tried again"),
        (500, "generalException", False, "tried again"),
    ],
)
def test_what_is_wrong_with_the_mailbox_is_said(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer, status: int, code: str, permanent: bool, words: str
) -> None:
    server.faults.append(faults.refusing(status, code))
    for ask in (source.probe, source.present, lambda: list(source.fetch(nothing, 1000))):
        with pytest.raises(SourceError, match=words) as caught:
            ask()
        assert caught.value.permanent == permanent
        assert code in str(caught.value)


def test_a_token_that_can_not_be_read_leaves_both_reasons_open(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    opaque = Graph(lambda: server.graph_uri, FixedToken("opaque"), Pace())
    other = GraphMailSource(opaque, ADDRESS)
    server.faults.append(faults.refusing(403, "ErrorAccessDenied"))
    with pytest.raises(SourceError, match="no policy of Exchange"):
        other.probe()


def test_throttling_says_how_long(source: GraphMailSource, mailbox: Mailbox, server: MailServer) -> None:
    server.faults.append(faults.throttled(600))
    with pytest.raises(SourceError, match="left alone for 600 s") as caught:
        list(source.fetch(nothing, 1000))
    assert (caught.value.permanent, caught.value.retry_after) == (False, 600)


def test_an_id_that_can_not_be_kept_is_passed_over(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mails = filled(mailbox, 2)
    odd = faults.only(lambda one: one.path[-1] == "messages", faults.renamed(1, "a\nb"))
    server.faults.append(odd)
    assert [one.data for one in source.fetch(nothing, 10_000)] == [mails[1]]


# C21: a thousand calls


class Watched(Pace):
    """A pace that remembers when it let a request go, and from when until when there was to be none."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None]) -> None:
        super().__init__(clock, sleep)
        self.allowed: list[float] = []
        self.holds: list[tuple[float, float]] = []
        self._watch = threading.Lock()

    def hold(self, seconds: float) -> None:
        with self._watch:
            super().hold(seconds)
            self.holds.append((self._clock(), self._clock() + seconds))

    def _take(self) -> float:
        with self._watch:
            left = super()._take()
            if left <= 0:
                self.allowed.append(self._clock())
            return left


def test_a_thousand_calls_with_faults_lose_nothing_and_take_nothing_twice(
    new_graph: Callable[..., Graph], server: MailServer, mailbox: Mailbox, clock: Clock
) -> None:
    mails = filled(mailbox, 500)
    watched = Watched(clock, clock.sleep)
    server.faults += [
        faults.every(97, faults.throttled(7)),
        faults.every(89, faults.throttled(120, as_date=True)),
        faults.unavailable(0.2),
        faults.every(53, faults.lost()),
        faults.every(61, faults.cut(20)),
        faults.every(71, faults.token_ends(server)),
        faults.every(83, faults.refusing(500, "generalException")),
    ]
    taken: list[Fetched] = []
    deleted: list[str] = []
    permanent: list[SourceError] = []
    for _cycle in range(100):
        source = GraphMailSource(new_graph(its_pace=watched), ADDRESS)
        try:
            while batch := list(source.fetch({one.source_id for one in taken}.__contains__, 10_000)):
                taken += batch
                deleted += source.confirm(_names(batch))
            left = [name for name in _names(taken) if name not in set(deleted)]
            deleted += source.confirm(left)
            if len(deleted) == len(mails):  # an empty inbox is not enough: of a last deletion the answer may be lost
                break
        except SourceError as fault:
            permanent += [fault] if fault.permanent else []
            clock.sleep(30)
        finally:
            source.close()
    assert permanent == []
    assert sorted(one.data for one in taken) == sorted(mails)
    assert len({one.source_id for one in taken}) == 500
    assert set(deleted) == {one.source_id for one in taken}
    assert mailbox.inbox() == []
    assert len(server.requests) >= 1000
    assert server.most_at_once[ADDRESS] <= 4
    assert len(watched.holds) > 100
    assert [at for since, until in watched.holds for at in watched.allowed if since < at < until] == []


def test_a_list_that_still_names_deleted_messages_offers_them_no_more(
    source: GraphMailSource, mailbox: Mailbox, server: MailServer
) -> None:
    mailbox.remembers = True
    filled(mailbox, 3)
    names = _names(list(source.fetch(nothing, 10_000)))
    assert list(source.confirm(names)) == names
    for stored in mailbox.messages:
        stored.folder = "inbox"
    assert list(source.fetch(nothing, 10_000)) == []


def test_a_message_of_no_bytes_is_none(source: GraphMailSource, mailbox: Mailbox) -> None:
    mailbox.put(b"")
    mailbox.put(message(1))
    assert emptied(source) == [message(1)]
    assert mailbox.inbox() == [b""]


def test_a_token_that_can_not_be_had_in_the_middle_keeps_what_is_certain(
    new_graph: Callable[..., Graph], mailbox: Mailbox, server: MailServer
) -> None:
    class Ending(support.ServerToken):
        left = 100

        def __call__(self) -> str:
            self.left -= 1
            if self.left < 0:
                raise TokenError("no token", permanent=True)
            return super().__call__()

    token = Ending(server)
    filled(mailbox, 6)
    with closing(GraphMailSource(Graph(lambda: server.graph_uri, token, Pace()), ADDRESS)) as source:
        names = _names(list(source.fetch(nothing, 10_000)))
        token.left = 3
        gone = list(source.confirm(names))
        assert len(gone) == 3
        assert len(mailbox.inbox()) == 3
        assert len(source.faults) == 3
        with pytest.raises(TokenError):
            list(source.fetch(nothing, 10_000))
