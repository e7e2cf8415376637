"""Rule 11 (manual 10 to 12, SPEC chapters 5 to 7): where a mail belongs, its type and its scope."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import Suggest
from crmservice.testing.builders import Filed, Office, company, decided, eml, of


def out(subject: str = "Nabídka", text: str = "text", **more: Any) -> bytes:
    """novak's mail to a customer."""
    return eml(text, sender="novak@firma.cz", subject=subject, **({"to": "jana@acme.cz"} | more))


def filed(*mails: bytes, **fields: object) -> Filed:
    office = Office(**fields)  # type: ignore[arg-type]
    office.receive(*mails)
    return office.filed[-1]


def suggestions(raw: bytes, **fields: object) -> list[str]:
    return [s.target for s in of(decided(raw, **fields), Suggest) if s.kind == "assignment"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("subject", "number"),
    [
        ("Contract:123", "123"), ("contract: 123", "123"), ("CONTRACT:123", "123"), ("Project:123", "123"),
        ("Zakázka:123", "123"), ("zakazka: 123", "123"), ("ZAK:123", "123"), ("Projekt: 123", "123"),
        ("(zak:123)", "123"), ("Nabídka/zak:123", "123"), ("[zak:123]", "123"), ("Re: zak:123", "123"),
        ("zak:123.", "123"), ("zak:123, prosím", "123"), ("zak:123; zak:124", "123"), ("zak:123-", "123"),
        ("zak:123/", "123"), ("zak:123-/.", "123"), ("zak: z-2026/07_B.1", "Z-2026/07_b.1"), ("zak:X-", "X-"),
        ("zak:X-.", "X-"), ("zak:999 zak:124", "124"), ("zak:\t123", "123"),
        ("bezzakázka:123", None), ("9zak:123", None), ("zak 123", None), ("zak:", None), ("zak:1234", None),
        ("zak:123a", None), ("zak:123_", None), ("číslo 123", None),
    ],
)  # fmt: skip
def test_a_contract_is_found_by_its_marker(subject: str, number: str | None) -> None:
    assert filed(out(subject)).contract == number


@pytest.mark.parametrize("subject", ["Order:2026-15", "objednávka: 2026-15", "OBJEDNAVKA:2026-15", "obj:2026-15."])
def test_an_order_is_found_by_its_marker(subject: str) -> None:
    assert filed(out(subject)).order == "2026-15"


@pytest.mark.parametrize(
    ("subject", "number"), [("Task:77", "77"), ("Úkol: 77", "77"), ("UKOL:a-9", "A-9"), ("task:78", None)]
)
def test_a_task_is_found_by_its_marker(subject: str, number: str | None) -> None:
    assert filed(out(subject)).task == number


def test_one_of_each_kind_is_found() -> None:
    found = filed(out("zak:123", "obj:2026-15 a úkol:77"))
    assert (found.contract, found.order, found.task) == ("123", "2026-15", "77")


def test_the_subject_wins_over_the_body() -> None:
    assert filed(out("zak:124", "zak:123")).contract == "124"


def test_the_body_may_be_html_alone() -> None:
    raw = out().replace(b"text/plain", b"text/html").replace(b"\r\n\r\ntext", b"\r\n\r\n<b>Zak&aacute;zka:</b> 123")
    assert filed(raw).contract == "123"


def test_an_unknown_number_stands_in_the_trail() -> None:
    (step,) = [step for step in decided(out("zak:9999")).trail if step.rule == "assignment"]
    assert (step.code, step.evidence["numbers"]) == ("number-unknown", ["9999"])


def test_a_number_that_nobody_has_stands_in_the_trail_beside_what_was_found() -> None:
    (step,) = [step for step in decided(out("zak:123 obj:9", "úkol:8. obj:9")).trail if step.rule == "assignment"]
    assert (step.code, step.evidence["contract"], step.evidence["unknown"]) == ("assigned", "123", "9, 8.")


# Types.


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("zak:123 Dokumentace", "Dokumentace"), ("zak:123 DOKUMENTACE", "Dokumentace"),
        ("zak:123 obchodni jednani", "Obchodní jednání"), ("zak:123 Obchodní jednání online", "Obchodní jednání online"),
        ("zak:123 Obchodní jednání, online", "Obchodní jednání"), ("zak:123 dokumentace k nabídce", "Dokumentace"),
        ("úkol:77 Dokumentace", "Dokumentace"), ("obj:2026-15 Dokumentace.", "Dokumentace"),
        ("zak:123 e-mail", "E-mail"), ("zak:123 Dokument", "E-mail"), ("zak:123 Obchodní", "E-mail"),
        ("zak:123 a Dokumentace", "E-mail"), ("Dokumentace zak:123", "E-mail"), ("zak:999 Dokumentace", "E-mail"),
    ],
)  # fmt: skip
def test_the_longest_existing_type_behind_the_number_is_used(subject: str, name: str) -> None:
    assert filed(out(subject)).type == name


def test_a_type_on_the_next_line_is_none() -> None:
    assert filed(out(text="zak:123\nDokumentace")).type == "E-mail"


@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_incoming_mail_is_of_type_email(rules: str) -> None:
    found = filed(eml(subject="Re: zak:123 Dokumentace"), rules=rules)
    assert (found.type, found.contract) == ("E-mail", "123")


def test_type_and_scope_of_the_subject_win_over_the_bodys() -> None:
    found = filed(out("úkol:77 p1", "zak:123 Dokumentace p3"))
    assert (found.contract, found.task, found.scope) == ("123", "77", "p1")


# Scope.


@pytest.mark.parametrize(
    ("subject", "scope"),
    [
        ("zak:123 p-", "p-"), ("zak:123 P-", "p-"), ("zak:123 p1", "p1"), ("zak:123 P3", "p3"), ("zak:123 p0", "p0"),
        ("zak:123 p9.", "p9"), ("zak:123 p1, díky", "p1"), ("(zak:123 p1)", "p1"), ("zak:123 Dokumentace p1", "p1"),
        ("zak:123 p-.", "p-"), ("zak:123  p1", "p1"),
        ("zak:123 p12", "p2"), ("zak:123 p-a", "p2"), ("zak:123 p", "p2"), ("zak:123 pp1", "p2"), ("zak:123 px", "p2"),
        ("zak:123 a p1", "p2"), ("p1 zak:123", "p2"), ("zak:9999 p1", "p2"), ("zak:123 p1a", "p2"),
    ],
)  # fmt: skip
def test_the_scope_is_two_characters_behind_number_or_type(subject: str, scope: str) -> None:
    assert filed(out(subject)).scope == scope


def test_a_scope_on_the_next_line_is_none() -> None:
    assert filed(out(text="zak:123\np1")).scope == "p2"


@pytest.mark.parametrize(
    ("sender", "scope"),
    [
        ("sef@firma.cz", "p1"),
        ("novak@firma.cz", "p2"),
        ("dvorak@firma.cz", "p2"),
        ("junior@firma.cz", "p3"),
        ("externi@partner.example", "p-"),
    ],
)
def test_without_one_it_is_the_level_of_the_responsible_persons_role(sender: str, scope: str) -> None:
    assert filed(eml(sender=sender, to="jana@acme.cz, nikdo@jinde.example")).scope == scope


def test_each_recipient_has_his_own_levels_scope() -> None:
    office = Office()
    office.receive(eml(to="sef@firma.cz, junior@firma.cz"))
    assert [one.scope for one in office.filed] == ["p1", "p3"]


@pytest.mark.parametrize(
    ("wish", "manual", "safe"),
    [("p1", "p1", "p1"), ("p2", "p2", "p2"), ("p3", "p3", "p2"), ("p-", "p-", "p-"), ("p0", "p0", "p0")],
)
def test_incoming_mail_may_narrow_but_in_safe_mode_not_widen(wish: str, manual: str, safe: str) -> None:
    raw = eml(subject=f"zak:123 {wish}")
    assert filed(raw).scope == manual
    assert filed(raw, rules="safe").scope == safe


def test_a_user_without_a_role_is_widened_by_nobody_outside() -> None:
    raw = eml(to="externi@partner.example", subject="zak:123 p1")
    assert filed(raw, rules="safe").scope == "p-"
    assert filed(raw).scope == "p1"


@pytest.mark.parametrize("value", ["Private", "personal", "Company-Confidential", "CONFIDENTIAL"])
def test_private_mail_has_no_scope(value: str) -> None:
    expected = "p-"
    assert filed(eml(subject="zak:123 p1", headers=[("Sensitivity", value)])).scope == expected


def test_normal_mail_has_its_scope() -> None:
    assert filed(eml(headers=[("Sensitivity", "Normal")])).scope == "p2"


# Chapter 7: who may assign, in safe mode.


def test_the_manual_mode_believes_everybodys_marker() -> None:
    assert filed(eml(subject="zak:124", sender="eve@evil.test")).contract == "124"


@pytest.mark.parametrize(
    ("sender", "subject"),
    [
        ("eve@evil.test", "zak:123"),
        ("bob@beta.example", "zak:123"),
        ("jana@acme.cz", "zak:124"),
        ("solo@nikde.example", "obj:2026-15"),
        ("bob@beta.example", "úkol:77"),
    ],
)
def test_in_safe_mode_a_strangers_marker_is_a_suggestion(sender: str, subject: str) -> None:
    raw = eml(sender=sender, subject=subject)
    found = filed(raw, rules="safe")
    assert (found.contract, found.order, found.task) == (None, None, None)
    assert len(suggestions(raw, rules="safe")) == 1


@pytest.mark.parametrize("sender", ["jana@acme.cz", "JANA@gmail.com", "info@acme.cz", "rodina@doma.example"])
def test_in_safe_mode_people_of_the_contracts_account_assign(sender: str) -> None:
    raw = eml(sender=sender, subject="zak:123 obj:2026-15 úkol:77")
    found = filed(raw, rules="safe")
    assert (found.contract, found.order, found.task) == ("123", "2026-15", "77")
    assert suggestions(raw, rules="safe") == []


def test_in_safe_mode_users_assign() -> None:
    assert filed(out("zak:124"), rules="safe").contract == "124"
    assert filed(eml(sender="externi@partner.example", subject="zak:124"), rules="safe").contract == "124"


def test_in_safe_mode_a_record_without_account_is_for_users_and_its_thread() -> None:
    assert suggestions(eml(subject="zak:X-"), rules="safe") == ["contract:X-"]
    assert filed(out("zak:X-"), rules="safe").contract == "X-"


def test_in_safe_mode_somebody_of_its_thread_assigns() -> None:
    office = Office(rules="safe")
    office.receive(out("zak:124", to="novy@jinde.example", message_id="t@firma.cz"))
    office.receive(eml(sender="novy@jinde.example", subject="Re: zak:124", in_reply_to="<t@firma.cz>"))
    office.receive(eml(sender="eve@evil.test", subject="Re: zak:124", in_reply_to="<t@firma.cz>"))
    assert [one.contract for one in office.filed] == ["124", "124", None]


def test_ten_thousand_guesses_assign_nothing() -> None:
    tables = company(contracts=[{"number": str(n), "account": "Beta a.s."} for n in range(1000, 1010)])
    text = "\n".join(f"Contract:{n} p9" for n in range(1, 10_000))
    decision = decided(eml(text, sender="eve@evil.test", subject="dotaz"), tables, rules="safe")
    made = [intent for intent in decision.intents if isinstance(intent, Suggest)]
    assert [suggest.target for suggest in made] == ["contract:123"]
    assert decision.found.assignment.contract is None


# Quoted history in safe mode: numbers alone.

QUOTED = "Díky.\n\n> zak:123 Dokumentace p1\n> text"


def test_in_safe_mode_quoted_markers_count_for_numbers_alone() -> None:
    found = filed(out(text=QUOTED), rules="safe")
    assert (found.contract, found.type, found.scope) == ("123", "E-mail", "p2")


def test_in_the_manual_mode_quoted_markers_count_whole() -> None:
    found = filed(out(text=QUOTED))
    assert (found.contract, found.type, found.scope) == ("123", "Dokumentace", "p1")


def test_fresh_markers_count_whole_in_safe_mode_too() -> None:
    found = filed(out(text="zak:123 Dokumentace p1\n\n> starý text"), rules="safe")
    assert (found.type, found.scope) == ("Dokumentace", "p1")


# Trust.


def test_an_unverified_sender_sets_neither_type_nor_scope() -> None:
    raw = out("zak:123 Dokumentace p1")
    found = filed(raw, authserv_ids=("mx.firma.cz",))
    assert (found.contract, found.type, found.scope, found.unverified) == ("123", "E-mail", "p2", True)
    proven = b"Authentication-Results: mx.firma.cz; dmarc=pass header.from=firma.cz\r\n" + raw
    found = filed(proven, authserv_ids=("mx.firma.cz",))
    assert (found.type, found.scope, found.unverified) == ("Dokumentace", "p1", False)
