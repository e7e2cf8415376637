"""What a sender hears, and what is kept (RFC 5321, RFC 2033)."""

from __future__ import annotations

import errno
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from crmservice.backup import BackupFailed
from crmservice.config import Box
from crmservice.sources.smtp_in import CantListen
from crmservice.sources.smtp_in.server import try_listening
from crmservice.store.database import DatabaseUnavailable
from crmservice.store.lease import LeaseLost
from tests.support.dovecot import free_port
from tests.support.listening import BOX, Listening, MemoryStore, Sender, listening, terms
from tests.support.stub import serve

MAIL = b"From: Eva <eva@acme.cz>\r\nSubject: Dotaz\r\n\r\nDobr\xc3\xbd den.\r\n"

Start = Callable[..., Listening]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a listener: a box, a store, and changed terms."""
    with ExitStack() as stack:

        def begin(box: Box = BOX, store: MemoryStore | None = None, **more: float) -> Listening:
            return stack.enter_context(listening(terms(tmp_path, box, **more), store))

        yield begin


def code(reply: str) -> str:
    return reply.rpartition("\n")[2][:3]


# What is kept


def test_a_mail_is_kept_byte_for_byte_and_its_number_told(start: Start) -> None:
    running = start()
    assert running.sender().deliver(MAIL) == "250 2.0.0 stored as 1"
    assert running.store.mails == [MAIL]


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\xff\x00\r\n",
        b"a\nb\rc\r\n",
        b"Subject: " + b"x" * 300_000 + b"\r\n",
        b"\r\n" * 5000,
        b"no header, \r\r\n",
    ],
    ids=["empty", "8 bits and nul", "bare cr and lf", "a long line", "many short lines", "cr cr lf"],
)
def test_no_byte_of_a_mail_is_changed(start: Start, mail: bytes) -> None:
    running = start()
    assert code(running.sender().deliver(mail)) == "250"
    assert running.store.mails == [mail]


def test_doubled_dots_are_single_again(start: Start) -> None:
    running = start()
    sender = running.sender()
    sender.envelope()
    sender.raw(b"..\r\n.. two\r\n.one\r\n...\r\n.\r\n")
    assert code(sender.reply()) == "250"
    assert running.store.mails == [b".\r\n. two\r\none\r\n..\r\n"]


def test_a_mail_that_comes_byte_by_byte_is_kept(start: Start) -> None:
    running = start()
    sender = running.sender()
    sender.envelope()
    sender.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in b"a\r\n..b\r\n.\r\n":
        sender.raw(bytes([byte]))
    assert code(sender.reply()) == "250"
    assert running.store.mails == [b"a\r\n.b\r\n"]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n"])
def test_a_second_message_can_not_be_hidden_in_the_first(start: Start, end: bytes) -> None:
    running = start()
    sender = running.sender()
    sender.envelope()
    hidden = b"MAIL FROM:<boss@firma.cz>\r\nRCPT TO:<crm@firma.cz>\r\nDATA\r\nSubject: forged\r\n\r\nx\r\n"
    sender.raw(b"Subject: a\r\n\r\nb" + end + hidden + b".\r\n")
    assert code(sender.reply()) == "250"
    assert sender.say("QUIT") == "221 Bye"
    (mail,) = running.store.mails
    assert mail.startswith(b"Subject: a\r\n")
    assert mail.endswith(hidden)


def test_several_mails_come_in_one_session(start: Start) -> None:
    running = start(fruitless=3)
    sender = running.sender()
    for number in range(30):
        assert sender.deliver(b"%d\r\n" % number) == f"250 2.0.0 stored as {number + 1}"
    assert len(running.store.mails) == 30


def test_commands_may_come_in_one_go(start: Start) -> None:
    running = start()
    sender = running.sender()
    sender.raw(b"MAIL FROM:<>\r\nRCPT TO:<crm@firma.cz>\r\nRCPT TO:<other@firma.cz>\r\nDATA\r\n")
    assert [code(sender.reply()) for _ in range(4)] == ["250", "250", "550", "354"]
    sender.raw(b"one\r\n.\r\nMAIL FROM:<a@b.cz>\r\nRCPT TO:<crm@firma.cz>\r\nDATA\r\n")
    assert [code(sender.reply()) for _ in range(4)] == ["250", "250", "250", "354"]
    sender.raw(b"two\r\n.\r\nQUIT\r\n")
    assert [code(sender.reply()) for _ in range(3)] == ["250", "221", ""]
    assert running.store.mails == [b"one\r\n", b"two\r\n"]


def test_a_large_mail_goes_through_a_file(start: Start, tmp_path: Path) -> None:
    running = start()
    mail = b"%s\r\n" % (b"x" * 998) * 3000
    assert code(running.sender().deliver(mail)) == "250"
    assert running.store.mails == [mail]
    assert list(tmp_path.iterdir()) == []


def cut_off(sender: Sender, data: bytes, times: int, pause: float = 0) -> bool:
    """Whether the connection breaks while these bytes are sent so many times."""
    for _ in range(times):
        try:
            sender.raw(data)
        except OSError:
            return True
        time.sleep(pause)
    return False


# Who may send what, and to whom


@pytest.mark.parametrize("recipient", ["crm@firma.cz", "CRM@Firma.CZ", "crm+123@firma.cz", "Crm+ABC@firma.cz"])
def test_the_box_takes_mail_in_any_case_and_with_any_tag(start: Start, recipient: str) -> None:
    assert code(start().sender().deliver(MAIL, recipient)) == "250"


@pytest.mark.parametrize(
    "recipient",
    [
        "jan@firma.cz",
        "crm@firma.sk",
        "crm",
        "crm@firma.cz@elsewhere.cz",
        '"crm@firma.cz"@elsewhere.cz',
        "crm%x@firma.cz",
    ],
)
def test_nothing_is_relayed(start: Start, recipient: str) -> None:
    running = start()
    sender = running.sender()
    sender.say("MAIL FROM:<eva@acme.cz>")
    assert code(sender.say(f"RCPT TO:<{recipient}>")) in {"550", "553"}
    assert sender.say("DATA").startswith("503 ")
    assert running.store.mails == []
    assert any(f"127.0.0.1: recipient refused: TO:<{recipient}>" in line for line in running.told)


def test_the_refusal_of_a_strange_recipient_is_for_good(start: Start) -> None:
    sender = start().sender()
    sender.say("MAIL FROM:<eva@acme.cz>")
    assert sender.say("RCPT TO:<jan@firma.cz>").startswith("550 5.7.1 ")


@pytest.mark.parametrize("sender", ["", "eva@acme.cz", "příliš@žluťoučký.cz", "bounce+crm=firma.cz@lists.acme.cz"])
def test_any_sender_may_write_the_empty_one_too(start: Start, sender: str) -> None:
    talk = start().sender()
    talk.envelope(sender=sender)
    talk.raw(b"x\r\n.\r\n")
    assert code(talk.reply()) == "250"


def test_a_sender_in_latin_1_may_write(start: Start) -> None:
    talk = start().sender()
    talk.raw(b"MAIL FROM:<p\xf8\xedli\xb9@acme.cz> BODY=8BITMIME\r\n")
    assert code(talk.reply()) == "250"


@pytest.mark.parametrize(
    "line", ["RCPT TO:<", "RCPT TO:<((.=@[>", "RCPT TO:", "RCPT", "RCPT TO:<crm@firma.cz> NOTIFY=NEVER"]
)
def test_a_recipient_that_can_not_be_read_is_refused_and_the_session_goes_on(start: Start, line: str) -> None:
    sender = start().sender()
    sender.say("MAIL FROM:<eva@acme.cz>")
    assert code(sender.say(line))[0] in "45"
    assert code(sender.say("RCPT TO:<crm@firma.cz>")) == "250"


def test_who_is_not_in_the_networks_is_sent_away_at_once(start: Start) -> None:
    running = start(replace(BOX, smtp_listen_networks=("10.0.0.0/8",)))
    stranger = running.connect()
    assert stranger.reply().startswith("554 5.7.1 ")
    assert stranger.reply() == ""
    assert any("127.0.0.1: sent away: 554" in line for line in running.told)


def test_no_more_come_in_than_may_be_at_once(start: Start) -> None:
    running = start(connections=2)
    first, _second = running.sender(), running.sender()
    assert running.connect().reply().startswith("421 4.3.2 ")
    assert first.say("QUIT") == "221 Bye"
    assert first.reply() == ""
    assert running.connect().reply().startswith("220 ")


def test_no_more_come_from_one_address_than_may(start: Start) -> None:
    running = start(each=1)
    running.sender()
    assert running.connect().reply().startswith("421 4.7.0 ")


# Sizes


def test_the_size_that_is_taken_is_announced(start: Start) -> None:
    sender = start(replace(BOX, max_message_bytes=5000)).connect()
    offers = sender.greet().split("\n")
    assert {"250-SIZE 5000", "250-PIPELINING", "250-8BITMIME", "250 SMTPUTF8"} <= set(offers)
    assert not any("STARTTLS" in offer or "AUTH" in offer for offer in offers)


def test_a_size_announced_too_large_is_refused_before_the_mail(start: Start) -> None:
    sender = start(replace(BOX, max_message_bytes=5000)).sender()
    assert sender.say("MAIL FROM:<eva@acme.cz> SIZE=5001").startswith("552 5.3.4 ")
    assert code(sender.say("MAIL FROM:<eva@acme.cz> SIZE=5000 BODY=8BITMIME SMTPUTF8")) == "250"


def test_a_mail_too_large_is_refused_and_the_next_one_taken(start: Start) -> None:
    running = start(replace(BOX, max_message_bytes=5000))
    sender = running.sender()
    assert sender.deliver(b"x" * 4999 + b"\r\n").startswith("552 5.3.4 ")
    assert code(sender.deliver(b"x" * 4998 + b"\r\n")) == "250"
    assert [len(mail) for mail in running.store.mails] == [5000]


def test_a_mail_that_does_not_end_is_cut_off(start: Start) -> None:
    running = start(replace(BOX, max_message_bytes=5000))
    sender = running.sender()
    sender.envelope()
    assert cut_off(sender, b"x" * 10_000, times=10_000)
    assert running.store.mails == []


def test_memory_does_not_grow_with_mail_that_is_too_large(start: Start) -> None:
    running = start(replace(BOX, max_message_bytes=4_000_000))
    sender = running.sender()
    sender.envelope()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(70):
        sender.raw(b"\r\n" * 50_000)
    sender.raw(b".\r\n")
    assert sender.reply().startswith("552 5.3.4 ")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024


# Floods, silence, garbage


def test_commands_without_a_message_come_to_an_end(start: Start) -> None:
    running = start(fruitless=5)
    sender = running.sender()
    heard = [sender.say("MAIL FROM:<eva@acme.cz>")]
    heard += [sender.say(f"RCPT TO:<{number}@firma.cz>") for number in range(5)]
    assert [code(reply) for reply in heard] == ["250", "550", "550", "550", "550", "550"]
    assert sender.reply().startswith("421 4.7.0 ")
    assert sender.reply() == ""


@pytest.mark.parametrize("command", ["NOOP", "EHLO me", "VRFY crm", "HELP"])
def test_a_flood_of_one_command_ends_the_session(start: Start, command: str) -> None:
    sender = start().sender()
    heard = [sender.say(command) for _ in range(20)]
    heard.append(sender.say(command))
    assert [code(reply) for reply in heard].count("421") <= 2
    assert "421" in [code(reply) for reply in heard][-2:]


def test_unknown_commands_end_the_session(start: Start) -> None:
    sender = start().sender()
    assert [code(sender.say(f"X{number}")) for number in range(5)] == ["500", "500", "500", "500", "502"]
    assert sender.reply() == ""


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe", b"", b"\x00\x01", b"DATA", b"RCPT TO:<crm@firma.cz>", b"MAIL", b"BDAT 5 LAST", b"AUTH PLAIN AGEAYg==", b"MAIL FROM:<" + b"x" * 3000 + b">", b"NOOP " + b"y" * 200_000],
    ids=lambda line: str(line[:12]),
)  # fmt: skip
def test_nonsense_is_refused_and_the_session_goes_on(start: Start, line: bytes) -> None:
    running = start()
    sender = running.sender()
    sender.raw(line + b"\r\n")
    assert code(sender.reply())[0] == "5"
    assert code(sender.deliver(MAIL)) == "250"


def test_nobody_is_told_which_addresses_there_are(start: Start) -> None:
    sender = start().sender()
    assert sender.say("VRFY crm@firma.cz") == sender.say("VRFY nobody@firma.cz")
    assert code(sender.say("EXPN crm")) == "502"


def test_who_says_nothing_is_cut_off(start: Start) -> None:
    sender = start(idle=0.2).sender()
    assert sender.reply() == ""


def test_who_trickles_a_mail_is_cut_off(start: Start) -> None:
    running = start(idle=0.5)
    sender = running.sender()
    sender.envelope()
    assert cut_off(sender, b"x", times=200, pause=0.05)
    assert running.store.mails == []


def test_a_sender_that_hangs_up_leaves_nothing(start: Start, tmp_path: Path) -> None:
    running = start()
    for said in (
        b"",
        b"MAIL FROM:<a@b.cz>\r\n",
        b"MAIL FROM:<a@b.cz>\r\nRCPT TO:<crm@firma.cz>\r\nDATA\r\nSubject: half",
    ):
        sender = running.sender()
        sender.raw(said)
        sender.close()
    assert code(running.sender().deliver(MAIL)) == "250"
    assert running.store.mails == [MAIL]
    assert list(tmp_path.iterdir()) == []
    assert running.told == []


def test_the_log_can_not_be_filled_by_strangers(start: Start) -> None:
    running = start(replace(BOX, smtp_listen_networks=("10.0.0.0/8",)))
    for _ in range(20):
        assert running.connect().reply().startswith("554")
    assert len(running.told) == 1


# Durable first


def test_the_answer_waits_for_the_store(start: Start) -> None:
    store = MemoryStore()
    store.open.clear()
    running = start(store=store)
    sender = running.sender()
    sender.envelope()
    sender.raw(MAIL + b".\r\n")
    store.entered.acquire()
    sender.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sender.sock.recv(1)
    sender.sock.settimeout(20)
    store.open.set()
    assert sender.sock.recv(100) == b"250 2.0.0 stored as 1\r\n"


def test_what_arrives_together_is_stored_together(start: Start) -> None:
    store = MemoryStore()
    store.open.clear()
    running = start(store=store)
    senders = [running.sender() for _ in range(20)]
    for number, sender in enumerate(senders):
        sender.envelope()
        sender.raw(b"%d\r\n.\r\n" % number)
        if number == 0:
            store.entered.acquire()
    settle(running, senders)
    store.open.set()
    numbers = {code(sender.reply()) for sender in senders}
    assert numbers == {"250"}
    assert len(store.batches[0]) == 1
    assert sorted(store.mails) == sorted(b"%d\r\n" % number for number in range(20))
    assert len(store.batches) <= 3


def settle(running: Listening, senders: list[Sender]) -> None:
    """Until the listener has read what the senders sent: a session answers its own commands in order."""
    probe = running.sender()
    for _ in range(3):
        probe.say("NOOP")


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (DatabaseUnavailable(), "451 4.3.0 "),
        (LeaseLost(), "451 4.3.0 "),
        (RuntimeError("a bug"), "451 4.3.0 "),
        (MemoryError(), "451 4.3.0 "),
    ],
)
def test_what_can_not_be_stored_now_stays_with_the_sender(start: Start, fault: Exception, answer: str) -> None:
    running = start(store=MemoryStore(faults=[fault]))
    sender = running.sender()
    assert sender.deliver(MAIL).startswith(answer)
    assert code(sender.deliver(MAIL)) == "250"
    assert any("not stored, the sender will try again" in line for line in running.told)


def test_a_full_disk_is_told_as_such(start: Start) -> None:
    fault = BackupFailed("full")
    fault.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    running = start(store=MemoryStore(faults=[fault]))
    assert running.sender().deliver(MAIL).startswith("452 4.3.1 ")


def test_a_disk_without_room_for_a_large_mail_is_told_as_such(tmp_path: Path) -> None:
    with listening(terms(tmp_path / "nowhere")) as running:
        sender = running.sender()
        assert code(sender.deliver(b"x" * 2_000_000 + b"\r\n")) == "451"
        assert code(sender.deliver(MAIL)) == "250"


def test_a_sender_that_went_away_meanwhile_is_not_stored(start: Start) -> None:
    store = MemoryStore()
    store.open.clear()
    running = start(store=store)
    first, second = running.sender(), running.sender()
    first.envelope()
    first.raw(b"first\r\n.\r\n")
    store.entered.acquire()
    second.envelope()
    second.raw(b"second\r\n.\r\n")
    settle(running, [second])
    second.close()
    settle(running, [second])
    store.open.set()
    assert code(first.reply()) == "250"
    assert code(running.sender().deliver(b"third\r\n")) == "250"
    assert store.mails == [b"first\r\n", b"third\r\n"]


# LMTP


def test_lmtp_answers_for_each_recipient(start: Start) -> None:
    running = start()
    sender = running.sender("LHLO me")
    sender.say("MAIL FROM:<eva@acme.cz>")
    heard = [sender.say(f"RCPT TO:<{name}>") for name in ("crm@firma.cz", "jan@firma.cz", "crm+5@firma.cz")]
    assert [code(reply) for reply in heard] == ["250", "550", "250"]
    sender.say("DATA")
    sender.raw(MAIL + b".\r\n")
    assert [sender.reply() for _ in range(2)] == ["250 2.0.0 stored as 1"] * 2
    assert sender.say("NOOP") == "250 OK"
    assert running.store.mails == [MAIL]


def test_lmtp_without_a_good_recipient_has_no_message(start: Start) -> None:
    sender = start().sender("LHLO me")
    sender.say("MAIL FROM:<eva@acme.cz>")
    sender.say("RCPT TO:<jan@firma.cz>")
    assert code(sender.say("DATA")) == "503"


def test_smtp_answers_once_for_many_recipients(start: Start) -> None:
    sender = start().sender()
    assert code(sender.deliver(MAIL, "crm@firma.cz", "crm+5@firma.cz")) == "250"
    assert sender.say("NOOP") == "250 OK"


# The port


def test_our_own_service_may_have_the_port_already(start: Start) -> None:
    try_listening(f"127.0.0.1:{start().port}")
    try_listening(f"127.0.0.1:{start(replace(BOX, smtp_listen_networks=('10.0.0.0/8',))).port}")


def test_somebody_elses_port_is_not_ours(tmp_path: Path) -> None:
    with (
        serve(lambda talk: talk.send(b"220 mail.firma.cz ESMTP Postfix")) as (port, _heard),
        pytest.raises(CantListen, match=f"smtpListen 127.0.0.1:{port} can't be listened at: Address already in use"),
    ):
        try_listening(f"127.0.0.1:{port}")


def test_a_port_that_is_free_can_be_listened_at() -> None:
    try_listening(f"127.0.0.1:{free_port()}")
    try_listening(f"localhost:{free_port()}")


# The end


def test_who_waits_for_nothing_is_told_that_we_leave(start: Start) -> None:
    running = start()
    sender = running.sender()
    running.end()
    assert sender.reply().startswith("421 4.3.2 ")
    assert sender.reply() == ""
    assert running.store.ended


def test_the_mail_at_hand_is_finished_before_we_leave(start: Start) -> None:
    store = MemoryStore()
    store.open.clear()
    running = start(store=store)
    sender = running.sender()
    sender.envelope()
    sender.raw(MAIL + b".\r\n")
    store.entered.acquire()
    running.stop.set()
    time.sleep(0.3)
    store.open.set()
    assert sender.reply() == "250 2.0.0 stored as 1"
    assert sender.reply().startswith("421 ")
    running.end()
    assert store.mails == [MAIL]


def test_a_mail_that_does_not_come_to_its_end_does_not_keep_us(start: Start) -> None:
    running = start(farewell=0.2)
    sender = running.sender()
    sender.envelope()
    begun = time.monotonic()
    running.end()
    assert time.monotonic() - begun < 5
    assert sender.reply() == ""
    assert running.store.mails == []


def test_our_name_is_told_without_asking_the_dns(start: Start) -> None:
    assert re.fullmatch(r"220 \S+ ESMTP CRMService", start().connect().reply())
