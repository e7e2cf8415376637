from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.parsing import parse
from crmservice.mail.trust import aligned, read, sender_verified
from tests.mail.clock import assert_linear

OURS = ("mx.firma.cz",)
PASS = "Authentication-Results: mx.firma.cz; dmarc=pass header.from=firma.cz"


def verified(*lines: str, ids: tuple[str, ...] = OURS, sender: str = "boss@firma.cz") -> bool:
    raw = "\r\n".join((*lines, f"From: {sender}", "", "x")).encode()
    return sender_verified(parse(raw), ids)


@pytest.mark.parametrize(
    "results",
    [
        "dmarc=pass header.from=firma.cz",
        "DMARC=Pass Header.From=FIRMA.cz",
        "dmarc=pass",
        "spf=fail smtp.mailfrom=evil.test; dmarc=pass (p=reject (deep)) header.from=firma.cz",
        "dkim=pass header.d=firma.cz",
        "dkim=pass header.i=@mail.firma.cz",
        "dkim=pass header.i=jana@firma.cz; dmarc=none header.from=firma.cz",
        "spf=pass smtp.mailfrom=bounce@firma.cz",
        "spf=pass smtp.mailfrom=mail.firma.cz",
        "auth=pass (login) smtp.auth=jana@firma.cz",
        "dkim/1=pass header.d=firma.cz",
    ],
)
def test_our_server_vouches_for_the_sender(results: str) -> None:
    assert verified(f"Authentication-Results: mx.firma.cz 1; {results}")


@pytest.mark.parametrize(
    "results",
    [
        "none",
        "dmarc=fail header.from=firma.cz; dkim=pass header.d=firma.cz",
        "dmarc=pass header.from=evil.test",
        "dmarc=pass header.from=firma.cz; dmarc=fail header.from=firma.cz",
        "dkim=pass header.d=evil.test",
        "dkim=pass header.d=cz",
        "dkim=pass header.d=notfirma.cz",
        "dkim=pass",
        "dkim=fail header.d=firma.cz",
        "spf=pass smtp.helo=firma.cz",
        "auth=pass smtp.auth=firma.cz",
        "iprev=pass policy.iprev=192.0.2.1",
        'spf=fail reason="x; dmarc=pass" smtp.mailfrom=evil.test',
        "spf=fail (; dmarc=pass header.from=firma.cz)",
        'spf=pass (of eve"x) smtp.mailfrom=evil.test; dmarc=fail (y"; dmarc=pass) header.from=firma.cz',
        "dmarc=pass x.header.from=firma.cz header.from=evil.test",
        "spf=fail (; dmarc=pass header.from=firma.cz",
        "spf=fail ); dmarc=pass header.from=firma.cz",
        'spf=fail "; dmarc=pass header.from=firma.cz',
        "nonsense",
        "",
    ],
)
def test_results_that_prove_nothing(results: str) -> None:
    assert not verified(f"Authentication-Results: mx.firma.cz; {results}")


SPOOFS = {
    "forged From": (),
    "Reply-To": ("Reply-To: boss@firma.cz",),
    "Sender": ("Sender: boss@firma.cz",),
    "results of a stranger": ("Authentication-Results: mx.evil.test; dmarc=pass header.from=firma.cz",),
    "forged results below ours": ("Authentication-Results: mx.firma.cz; dmarc=fail header.from=firma.cz", PASS),
}


@pytest.mark.parametrize("lines", SPOOFS.values(), ids=SPOOFS.keys())
def test_a_forged_sender_is_not_verified(lines: tuple[str, ...]) -> None:
    assert not verified(*lines)


@pytest.mark.parametrize(
    "sender",
    [
        "eve@evil.test\r\nFrom: boss@firma.cz",
        "boss@firma.cz <eve@evil.test>",
        "boss@firma.cz\u200b",
        "boss@f\u0456rma.cz",
        "eve@evil.test",
    ],
)
def test_results_for_our_domain_do_not_help_another_sender(sender: str) -> None:
    assert not verified(PASS, sender=sender)


def test_without_ids_nobody_is_verified() -> None:
    assert not verified(PASS, ids=())


def test_the_topmost_header_of_our_id_counts() -> None:
    assert verified("Authentication-Results: other.cz; none", PASS, "Authentication-Results: mx.firma.cz; dmarc=fail")


HOPS = ("hub.firma.cz", "mx.firma.cz")
FORWARDED = "Authentication-Results: hub.firma.cz; dmarc=fail header.from=firma.cz"


@pytest.mark.parametrize("peer", ["mx.firma.cz [192.0.2.7]", "unknown [10.0.0.7]", "[IPv6:fd00::7]"])
@pytest.mark.parametrize("above", [True, False])
def test_of_several_ids_the_entry_into_our_hops_counts(peer: str, above: bool) -> None:
    received = f"Received: from mx.firma.cz ({peer}) by hub.firma.cz"
    lines = (received, FORWARDED) if above else (FORWARDED, received)
    assert verified(*lines, PASS, ids=HOPS)


@pytest.mark.parametrize(
    "received",
    [
        "Received: from mx.firma.cz (evil.test [198.51.100.1]) by hub.firma.cz",
        "Received: from mx.firma.cz ([nonsense]) by hub.firma.cz",
        "Received: from mx.firma.cz ([:::]) by hub.firma.cz",
        "Received: from mx.firma.cz by hub.firma.cz",
        "Received: from mx.firma.cz (mx.firma.cz [10.0.0.7]) by store.firma.cz",
        "Received: from hub.firma.cz ([10.0.0.2]) by store\r\nReceived: from a ([198.51.100.1]) by hub.firma.cz",
    ],
)
def test_a_lower_id_that_our_hop_did_not_see_does_not_count(received: str) -> None:
    forged = "Received: from x (mx.firma.cz [10.0.0.1]) by mx.firma.cz"
    assert not verified(received, FORWARDED, forged, PASS, ids=HOPS)


@pytest.mark.parametrize(
    "peer",
    [
        "[198.51.100.1] (port=40000 helo=[10.0.0.1])",
        "[198.51.100.1] (helo=mx.firma.cz)",
        "[198.51.100.1] (port=40000 helo=a.mx.firma.cz)",
        "[198.51.100.1] (helo=mx.firma.cz ident=mx.firma.cz)",
        "evil.test ([198.51.100.1] helo=[10.0.0.1])",
        "evil.test ([198.51.100.1]:40000 helo=mx.firma.cz)",
        "unknown (HELO mx.firma.cz) (198.51.100.1)",
        "evil.test (HELO mx.firma.cz) (198.51.100.1)",
        "evil.test (HELO [10.0.0.1]) (198.51.100.1)",
        "evil.test (EHLO [10.0.0.1]) ([198.51.100.1])",
        "evil.test (HELO mx.firma.cz) (10.0.0.1@198.51.100.1)",
        "mx.firma.cz (mx.firma.cz@evil.test [198.51.100.1])",
        "mx.firma.cz (mx.firma.cz [198.51.100.1] (may be forged))",
        "[10.0.0.1] (unknown [198.51.100.1])",
        "mx.firma.cz (198.51.100.1)",
        "mx.firma.cz ([198.51.100.1])",
        'evil.test (evil.test [198.51.100.1]) (Client CN "a (b) by hub.firma.cz")',
    ],
)
def test_what_a_peer_says_of_itself_makes_it_no_hop_of_ours(peer: str) -> None:
    received = f"Received: from {peer} by hub.firma.cz with esmtp"
    assert not verified(FORWARDED, received, PASS, ids=HOPS)
    assert not verified(received, FORWARDED, PASS, ids=HOPS)


@pytest.mark.parametrize(
    "peer",
    [
        "mx.firma.cz ([10.0.0.7]:25 helo=mx.firma.cz)",
        "x ([10.0.0.7] helo=whatever)",
        "mx.firma.cz (mx.firma.cz [192.0.2.7]) (using TLSv1.3 (256/256 bits)) (No client certificate requested)",
        "mx.firma.cz (MX.firma.cz. [192.0.2.7])",
    ],
)
def test_what_our_server_found_out_of_its_peer_makes_it_a_hop_of_ours(peer: str) -> None:
    assert verified(f"Received: from {peer} by hub.firma.cz with esmtp", FORWARDED, PASS, ids=HOPS)


EVIL = "from evil.test (evil.test [198.51.100.1])"


@pytest.mark.parametrize(
    "lines",
    [
        # The id is no host's name: an outsider brings the line that is looked for.
        (f"{EVIL} by mail.firma.cz", "from a (mx.firma.cz [10.0.0.1]) by hub.firma.cz"),
        # The hop itself took the mail from outside, below its own filter's loop.
        ("from localhost (localhost [127.0.0.1]) by hub.firma.cz", f"{EVIL} by hub.firma.cz"),
        ("from localhost ([127.0.0.1]) by hub.firma.cz", f"{EVIL} by hub.firma.cz", "from x ([10.0.0.1]) by mx.firma.cz"),
        ("from mx.firma.cz ([10.0.0.7]) by hub.firma.cz", f"{EVIL} by mx.firma.cz", f"{EVIL} by mx.firma.cz"),
        ("from mx.firma.cz ([10.0.0.7]) by hub.firma.cz", f"{EVIL} by gate.firma.cz"),
        ("from torn (x [10.0.0.7] by hub.firma.cz",),
        ("nothing", "from mx.firma.cz ([10.0.0.7]) by hub.firma.cz"),
    ],
)  # fmt: skip
def test_a_line_that_an_outsider_may_have_written_hands_nothing_on(lines: tuple[str, ...]) -> None:
    assert not verified(FORWARDED, *(f"Received: {line}" for line in lines), PASS, ids=HOPS)


@pytest.mark.parametrize(
    "lines",
    [
        ("from hub.firma.cz ([10.0.0.2]) by store.firma.cz", "from mx.firma.cz ([10.0.0.7]) by hub.firma.cz"),
        ("from hub.firma.cz (hub.firma.cz [192.0.2.2]) by store", "from x (mx.firma.cz [192.0.2.7]) by hub.firma.cz"),
        ("from x ([10.0.0.7]) by hub.firma.cz", "from localhost ([127.0.0.1]) by mx.firma.cz", f"{EVIL} by mx.firma.cz"),
        ("from x ([10.0.0.7]) by hub.firma.cz", f"{EVIL} by MX.firma.cz"),
    ],
)  # fmt: skip
def test_an_unbroken_chain_of_our_hops_leads_to_the_entry(lines: tuple[str, ...]) -> None:
    assert verified(FORWARDED, *(f"Received: {line}" for line in lines), PASS, ids=HOPS)


def test_a_hop_whose_id_stands_above_another_of_ours_does_not_lend_it_its_outsider() -> None:
    ids = ("firma.cz", "mx2.firma.cz")
    ours = ("Authentication-Results: firma.cz; dmarc=fail", f"Received: {EVIL} by firma.cz")
    assert not verified(*ours, "Authentication-Results: mx2.firma.cz; dmarc=pass", ids=ids)
    assert not verified(
        "Authentication-Results: firma.cz; dmarc=fail",
        f"Received: {EVIL} by mail.firma.cz",
        "Received: from a (mx2.firma.cz [10.0.0.1]) by firma.cz",
        "Authentication-Results: mx2.firma.cz; dmarc=pass",
        ids=ids,
    )


def test_a_header_without_an_id_hands_nothing_on() -> None:
    unnamed = "Authentication-Results: spf=pass smtp.mailfrom=evil.test; dmarc=fail header.from=firma.cz"
    for line in ("Received: nothing", "Received: from x ([10.0.0.1]) by mx.firma.cz"):
        assert not verified(unnamed, line, PASS, ids=("microsoft", "mx.firma.cz"))
    assert not verified("Authentication-Results: microsoft; dmarc=pass", ids=("microsoft",))


def test_a_forged_header_below_the_entry_does_not_count() -> None:
    entry = "Authentication-Results: mx.firma.cz; dmarc=fail header.from=firma.cz"
    inside = "Received: from mx.firma.cz (mx.firma.cz [10.0.0.7]) by hub.firma.cz"
    assert not verified(inside, FORWARDED, entry, PASS, ids=HOPS)


def test_microsoft_writes_no_id() -> None:
    line = "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=firma.cz; dmarc=pass header.from=firma.cz"
    assert verified(line, ids=("microsoft",))
    assert not verified(line)


def test_mail_from_inside_the_tenant_is_verified() -> None:
    line = "X-MS-Exchange-Organization-AuthAs: Internal"
    assert verified(line, ids=("microsoft",))
    assert not verified(line, "X-MS-Exchange-Organization-AuthAs: Anonymous", ids=("microsoft",))
    assert not verified(line)


@pytest.mark.parametrize("torn", ["spf=fail (x", 'spf=fail "x', "spf=fail )", 'spf=fail (of eve"x) dmarc=fail'])
def test_a_header_of_ours_with_a_torn_result_is_still_the_topmost(torn: str) -> None:
    assert not verified(f"Authentication-Results: mx.firma.cz; {torn}", PASS)


HOSTILE = (
    "a",
    "a ",
    "a.",
    "a . ",
    " ",
    "=",
    "a.b=c ",
    "; a=b",
    "/1",
    "(",
    "(a)",
    "(\\)",
    '"a" ',
    '\\"',
    "a-a.",
    "from a ",
)


@pytest.mark.parametrize(
    "before",
    [
        "Authentication-Results: mx.evil.test; dmarc=pass ",
        "Authentication-Results: ",
        "Authentication-Results: mx.firma.cz; dmarc=pass ",
        'Authentication-Results: mx.firma.cz; dmarc=pass x="',
        "Received: from a (",
        "Received: from a ([10.0.0.1]) ",
        "Received: ",
    ],
)
def test_a_hostile_header_costs_no_more_than_its_length(before: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        lines = [before + piece * (size // len(piece)) for piece in HOSTILE]
        mails = [parse(f"{FORWARDED}\n{line}\n{PASS}\nFrom: boss@firma.cz\n\nx".encode()) for line in lines]
        return lambda: [sender_verified(mail, HOPS) for mail in mails]

    assert_linear(prepare, 40_000, bound=0.8)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("a.cz", "a.cz", True),
        ("m.a.cz", "a.cz", True),
        ("a.cz", "ba.cz", False),
        ("cz", "a.cz", False),
        ("", "", False),
    ],
)
def test_domains_belong_together_when_one_is_below_the_other(one: str, other: str, together: bool) -> None:
    assert aligned(one, other) is together
    assert aligned(other, one) is together


def test_a_quoted_id_is_an_id() -> None:
    assert read('"mx.firma.cz" ; dmarc=pass').id == "mx.firma.cz"


@given(st.text(alphabet='ab=;()"\\. /'))
def test_no_header_breaks_the_reader(value: str) -> None:
    assert all(result.method for result in read(value).results)
