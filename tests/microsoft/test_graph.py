"""The client of Microsoft Graph against the stand-in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise

import pytest

from crmservice.microsoft.faults import (
    BadAnswer,
    Denied,
    GraphError,
    GraphTrouble,
    NotFound,
    Rejected,
    Throttled,
    Unreachable,
)
from crmservice.microsoft.graph import Graph
from crmservice.testing.graph import faults
from crmservice.testing.graph.mail import Mailbox, MailServer
from crmservice.testing.graph.server import Answer, Fault, Request
from crmservice.tls import Timeouts
from tests.support.graph import Clock

LIST = "users/crm@firma.cz/mailFolders/inbox/messages?$top=2&$orderby=receivedDateTime&$select=id"
INBOX = "users/crm@firma.cz/mailFolders/inbox"


def mail(number: int) -> bytes:
    return f"Subject: {number}\r\n\r\nbody {number}\r\n".encode()


@pytest.fixture
def five(mailbox: Mailbox) -> list[str]:
    """Five messages; their ids that stay."""
    return [mailbox.id_of(mailbox.put(mail(number)), immutable=True) for number in range(5)]


def listed(graph: Graph) -> list[str]:
    return [row["id"] for page in graph.pages(LIST) for row in page["value"]]


# Pages and ids


def test_all_pages_come_with_ids_that_stay(graph: Graph, server: MailServer, five: list[str]) -> None:
    assert listed(graph) == five
    assert len(server.requests) == 3
    assert all(request.immutable for request in server.requests)


def test_the_stand_in_flips_ids_where_the_preference_is_missing(server: MailServer, mailbox: Mailbox) -> None:
    stored = mailbox.put(mail(1))
    flipped = mailbox.id_of(stored, immutable=False)
    assert mailbox.id_of(stored, immutable=True) != flipped
    assert mailbox.find(flipped, immutable=True) is None


def test_an_empty_page_with_a_link_is_not_the_last(graph: Graph, server: MailServer, five: list[str]) -> None:
    server.faults.append(faults.empty_first(server))
    assert listed(graph) == five


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1.0/users",
        "http://127.0.0.1:1/v1.0/users",
        "http://127.0.0.1@evil.example/x",
        "//evil.example/x",
        "http://[::ffff:127.0.0.1/x",
        "https://{host}/v1.0/users",
    ],
)
def test_a_link_to_another_server_is_not_followed(graph: Graph, server: MailServer, five: list[str], url: str) -> None:
    link = url.replace("{host}", server.origin.partition("://")[2])
    server.faults.append(faults.linking(link))
    with pytest.raises(GraphError):
        listed(graph)
    assert len(server.requests) <= 2


def test_pages_that_link_in_a_circle_end(graph: Graph, server: MailServer, five: list[str]) -> None:
    server.faults.append(faults.linking(f"{server.graph_uri}/{LIST}"))
    with pytest.raises(BadAnswer, match="no end"):
        listed(graph)


def test_empty_pages_without_end_end(graph: Graph, server: MailServer, five: list[str]) -> None:
    server.faults.append(faults.emptied(f"{server.graph_uri}/{LIST}&$skip="))
    with pytest.raises(BadAnswer, match="no end"):
        listed(graph)
    assert len(server.requests) < 120


# Tokens


def test_a_token_that_ends_in_the_middle_is_renewed_and_the_same_page_asked_for_again(
    graph: Graph, server: MailServer, five: list[str]
) -> None:
    server.faults.append(faults.once(faults.token_ends(server), after=1))
    assert listed(graph) == five
    skips = [request.query.get("$skip") for request in server.requests]
    assert skips == [None, "2", "2", "4"]


def test_a_token_that_is_never_accepted_is_renewed_once(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    server.faults.append(faults.refusing(401, "InvalidAuthenticationToken"))
    with pytest.raises(Denied) as caught:
        graph.get(INBOX)
    assert len(server.requests) == 2
    assert caught.value.permanent


def test_a_right_that_is_granted_later_is_in_the_next_token(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    server.roles = frozenset()
    with pytest.raises(Denied):
        graph.get(INBOX)
    server.roles = frozenset({"Mail.Read"})
    assert graph.get(INBOX)["displayName"] == "Inbox"
    tokens = [request.headers["Authorization"] for request in server.requests]
    assert tokens[0] != tokens[1]


# Throttling


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
@pytest.mark.parametrize("seconds", [1, 7, 60, 119])
def test_it_waits_as_long_as_it_is_asked_to(
    graph: Graph, server: MailServer, mailbox: Mailbox, status: int, as_date: bool, seconds: int
) -> None:
    server.faults.append(faults.once(faults.throttled(seconds, as_date=as_date, status=status)))
    graph.get(INBOX)
    first, second = (request.at for request in server.requests)
    assert seconds <= second - first <= seconds + 1


def test_without_a_time_it_waits_longer_each_time(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    server.faults += [faults.once(faults.throttled(None)) for _ in range(5)]
    graph.get(INBOX)
    waits = [later.at - earlier.at for earlier, later in pairwise(server.requests)]
    assert len(waits) == 5
    for number, wait in enumerate(waits, 1):
        assert 2**number / 2 <= wait <= 2**number + 0.5


def test_longer_than_its_patience_it_ends_and_says_how_long(
    graph: Graph, server: MailServer, mailbox: Mailbox, clock: Clock
) -> None:
    server.faults.append(faults.throttled(600))
    with pytest.raises(Throttled, match="left alone for 600 s") as caught:
        graph.get(INBOX)
    assert not caught.value.permanent
    assert caught.value.retry_after == 600
    assert (len(server.requests), clock.now) == (1, 0)


def test_the_next_cycle_sends_nothing_before_that_time(
    new_graph: Callable[..., Graph], server: MailServer, mailbox: Mailbox, clock: Clock
) -> None:
    server.faults.append(faults.once(faults.throttled(600)))
    for _cycle in range(3):
        with pytest.raises(Throttled):
            new_graph().get(INBOX)
        clock.sleep(170)
    new_graph().get(INBOX)
    assert [request.at for request in server.requests] == [0, pytest.approx(600, abs=1)]


def test_a_server_that_throttles_for_ever_is_left(
    graph: Graph, server: MailServer, mailbox: Mailbox, clock: Clock
) -> None:
    server.faults.append(faults.throttled(0))
    with pytest.raises(Throttled):
        graph.get(INBOX)
    assert len(server.requests) < 10
    assert clock.now <= 120


def test_one_who_waits_makes_the_others_wait(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    server.faults.append(faults.once(faults.throttled(30)))
    assert list(graph.at_once(lambda _n: graph.get(INBOX)["displayName"], range(8))) == ["Inbox"] * 8
    early = [request.at for request in server.requests if 0 < request.at < 30]
    assert early == []


def test_no_more_than_four_are_asked_at_once(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    server.faults.append(faults.slow(0.02))
    assert len(list(graph.at_once(lambda _n: graph.get(INBOX), range(24)))) == 24
    assert server.most_at_once["crm@firma.cz"] == 4


# GraphTrouble


@pytest.mark.parametrize("status", [500, 502, 504])
def test_trouble_that_passes_is_waited_out(graph: Graph, server: MailServer, mailbox: Mailbox, status: int) -> None:
    server.faults.append(faults.once(faults.refusing(status, "ErrorInternalServerTransientError")))
    assert graph.get(INBOX)
    assert len(server.requests) == 2


def test_trouble_that_stays_ends_and_may_be_tried_later(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    server.faults.append(faults.refusing(500, "generalException"))
    with pytest.raises(GraphTrouble, match="HTTP 500, generalException") as caught:
        graph.get(INBOX)
    assert len(server.requests) == 4
    assert (caught.value.permanent, caught.value.codes) == (False, ("generalException",))
    assert caught.value.request_id


@pytest.mark.parametrize("fault", [faults.lost(), faults.cut(5)])
def test_an_answer_that_breaks_off_is_asked_for_once_more(
    graph: Graph, server: MailServer, mailbox: Mailbox, fault: Fault
) -> None:
    server.faults.append(faults.once(fault))
    assert graph.get(INBOX)["displayName"] == "Inbox"
    server.faults.append(fault)
    with pytest.raises(Unreachable) as caught:
        graph.get(INBOX)
    assert not caught.value.permanent
    assert len(server.requests) == 4


def test_a_request_that_is_not_repeatable_is_sent_once(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    server.faults.append(faults.lost())
    with pytest.raises(Unreachable):
        graph.call("POST", "users/crm@firma.cz/events", {"subject": "x"})
    assert len(server.requests) == 1


def test_a_request_that_is_not_repeatable_follows_a_throttle(
    graph: Graph, server: MailServer, mailbox: Mailbox
) -> None:
    server.faults.append(faults.once(faults.throttled(1)))
    with pytest.raises(Rejected):
        graph.call("POST", "users/crm@firma.cz/events", {"subject": "x"})
    assert len(server.requests) == 2
    assert server.requests[0].headers["Content-Type"] == "application/json"


def test_a_server_that_says_nothing_is_left_in_time(new_graph: Callable[..., Graph], server: MailServer) -> None:
    server.faults.append(faults.slow(0.5))
    with pytest.raises(Unreachable, match="did not answer in time"):
        new_graph(Timeouts(connect=5, read=0.1, session=5)).get(INBOX)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.page_instead(), "no JSON object"),
        (faults.linking(""), ""),
        (lambda _request, _proceed: Answer(200, b"[1]"), "no JSON object"),
        (lambda _request, _proceed: Answer(200, b'{"value": 7}'), "no list"),
        (lambda _request, _proceed: Answer(302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
        (lambda _request, _proceed: Answer(200, b"{}", headers={"Content-Encoding": "gzip"}), "compresses"),
        (lambda _request, _proceed: Answer(200, b"[" * 100_000), "no JSON object"),
    ],
)
def test_what_is_no_answer_of_graph_is_not_believed(
    graph: Graph, server: MailServer, five: list[str], fault: Fault, words: str
) -> None:
    server.faults.append(fault)
    if not words:
        assert listed(graph) == five[:2]
        return
    with pytest.raises(BadAnswer, match=words) as caught:
        listed(graph)
    assert not caught.value.permanent


def test_a_right_answer_under_another_type_is_taken(graph: Graph, server: MailServer, five: list[str]) -> None:
    server.faults.append(faults.typed("text/html"))
    assert listed(graph) == five


def test_what_is_not_there_is_told_from_what_is_not_allowed(graph: Graph, server: MailServer, mailbox: Mailbox) -> None:
    with pytest.raises(NotFound) as caught:
        graph.get("users/nobody@firma.cz/mailFolders/inbox")
    assert caught.value.has("errorinvaliduser")
    server.roles = frozenset()
    with pytest.raises(Denied) as denied:
        graph.get(INBOX)
    assert denied.value.has("ErrorAccessDenied")


# Download


def test_a_message_comes_byte_for_byte_up_to_the_limit(graph: Graph, five: list[str]) -> None:
    path = f"users/crm@firma.cz/messages/{five[0]}/$value"
    assert graph.download(path, len(mail(0))) == (mail(0), True)
    assert graph.download(path, len(mail(0)) - 1) == (mail(0), False)
    assert graph.download(path, 3) == (mail(0)[:4], False)


@pytest.mark.parametrize("kind", ["text/html", "application/json; charset=utf-8"])
def test_a_page_in_the_place_of_a_message_is_no_message(
    graph: Graph, server: MailServer, five: list[str], kind: str
) -> None:
    server.faults.append(faults.page_instead(kind))
    with pytest.raises(BadAnswer, match="in the place of the message"):
        graph.download(f"users/crm@firma.cz/messages/{five[0]}/$value", 1000)


# Secrets


def test_no_token_reaches_a_log_or_a_fault(
    graph: Graph, server: MailServer, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    said = []
    with caplog.at_level(logging.DEBUG):
        for fault in (faults.refusing(401, "x"), faults.refusing(403, "x"), faults.lost(), faults.page_instead()):
            server.faults[:] = [fault]
            with pytest.raises(GraphError) as caught:
                graph.get(INBOX)
            said += [str(caught.value), repr(caught.value), repr(caught.value.__context__)]
    tokens = {request.headers["Authorization"].removeprefix("Bearer ") for request in server.requests}
    text = caplog.text + "".join(said)
    assert [token for token in tokens if token in text] == []


def test_a_mailbox_has_its_own_requests(server: MailServer) -> None:
    request = Request("GET", ("users", "CRM@Firma.cz", "x"), {}, {}, b"", 0)
    assert request.mailbox == "crm@firma.cz"


def test_a_person_who_tries_it_is_not_kept_waiting(
    new_graph: Callable[..., Graph], server: MailServer, mailbox: Mailbox, clock: Clock
) -> None:
    server.faults.append(faults.throttled(60))
    with pytest.raises(Throttled, match="60 s"):
        new_graph(Timeouts(connect=5, read=5, session=30)).get(INBOX)
    assert clock.now == 0
