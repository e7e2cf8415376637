"""Small random mailboxes whose messages build upon each other: for "a batch equals its messages"."""

from __future__ import annotations

from hypothesis import strategies as st

from crmservice.testing.builders import calendar, eml, nested, report

USERS = ("novak@firma.cz", "svoboda@firma.cz", "jan.novak@firma.cz", "byvala@firma.cz")
PEOPLE = ("jana@acme.cz", "bob@beta.example", "cizi@jinde.example", "novak@firma.cz", "sef@firma.cz", "nikdo")
BOXES = (
    "obchod@firma.cz",
    "servis@firma.cz",
    "obchod@firma.cz, novak@firma.cz",
    "crm@firma.cz",
    "jana@acme.cz",
    "info@firma.cz",
)
SUBJECTS = ("Dotaz", "zak:123", "zak:124 Dokumentace p1", "úkol:78", "task:79 p-", "obj:2026-15", "nechci", "výpadek")
IDS = ("1@x", "2@x", "3@x")

ids = st.sampled_from(IDS)
people = st.sampled_from(PEOPLE)
addressees = st.sampled_from(USERS + BOXES)
delivered = st.sampled_from([(), (("Delivered-To", "svoboda@firma.cz"),), (("Delivered-To", "dvorak@firma.cz"),)])
answers = st.sampled_from(["", "<1@x>", "<2@x>", "<3@x>", "<1@x> <2@x>"])
few = st.integers(0, 2)


def _plain(sender: str, to: str, subject: str, key: str, thread: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    return eml(f"text {key}", sender=sender, to=to, subject=subject, message_id=key, references=thread, headers=headers)


def _problem(number: int, status: int) -> bytes:
    rows = f"<table><tr><td>Subject</td><td>Tisk</td></tr><tr><td>Status</td><td>{status}</td></tr></table>"
    html = f'<p>Contract: 123</p>{rows}<a href="https://x/?id={number}">x</a>'
    return eml(f"{number} {status}", sender="app@firma.cz", subject=f"Problem No. {number}", html=html)


def _invitation(sender: str, to: str, method: str, sequence: int) -> bytes:
    event = calendar(method, sequence=sequence, stamp=f"2026030{sequence + 2}T090000Z", attendee=sender)
    return eml(f"{method} {sequence}", sender=sender, to=to, subject="Porada", parts=[event])


plain = st.builds(_plain, people, addressees, st.sampled_from(SUBJECTS), ids, answers, delivered)
new_tasks = st.builds(
    lambda sender, to, n: eml(sender=sender, to=to, subject=f"Nový úkol: věc {n}"), people, addressees, few
)
problems = st.builds(_problem, st.integers(1, 2), few)
invitations = st.builds(
    _invitation,
    st.sampled_from(["jana@acme.cz", "jana@acme.cz", "cizi@jinde.example"]),
    st.sampled_from(["novak@firma.cz", "novak@firma.cz, svoboda@firma.cz", "crm@firma.cz, svoboda@firma.cz"]),
    st.sampled_from(["REQUEST", "REQUEST", "CANCEL", "REPLY"]),
    few,
)
bounces = st.builds(
    report,
    st.sampled_from(["jana@acme.cz", "cizi@jinde.example", "novak@firma.cz"]),
    quoted_id=st.sampled_from(["", *IDS]),
)
forwards = st.builds(
    lambda inner, n: eml(f"{n}", sender="svoboda@firma.cz", to="crm@firma.cz", subject="Fwd: x", parts=[nested(inner)]),
    plain,
    few,
)
mails = st.one_of(plain, plain, plain, new_tasks, problems, invitations, invitations, bounces, forwards)
mailboxes = st.lists(mails, min_size=2, max_size=9)
settings_of_boxes = st.fixed_dictionaries(
    {"rules": st.sampled_from(["manual", "safe"])},
    optional={
        "ignore_subjects": st.just(("výpadek",)),
        "save_incoming_as_pending": st.just(True),
        "only_known_senders": st.just(True),
        "authserv_ids": st.just(("mx.firma.cz",)),
    },
)
