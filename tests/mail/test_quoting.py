from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.body import html_to_text
from crmservice.mail.parsing import parse
from crmservice.mail.quoting import fresh_part
from tests.mail.clock import assert_linear

REPLIES = Path(__file__).parent / "fixtures" / "replies"
MAILS = sorted(path.stem for path in REPLIES.glob("*.eml"))
CLIENTS = ("apple", "gmail", "outlook", "seznam", "thunderbird")


def fresh_of(name: str) -> str:
    return (REPLIES / f"{name}.txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("language", ["cs", "en"])
@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_is_tried_with_five_mails_of_each_language(client: str, language: str) -> None:
    assert len([name for name in MAILS if name.startswith(f"{client}-{language}-")]) == 5


@pytest.mark.parametrize("name", MAILS)
def test_the_fresh_part_of_a_mail_is_what_its_sender_wrote(name: str) -> None:
    message = parse((REPLIES / f"{name}.eml").read_bytes())
    assert fresh_part(message.text).strip() == fresh_of(name)


@pytest.mark.parametrize("name", [name for name in MAILS if b"text/html" in (REPLIES / f"{name}.eml").read_bytes()])
def test_the_fresh_part_is_the_same_when_the_mail_is_read_from_its_html(name: str) -> None:
    html = parse((REPLIES / f"{name}.eml").read_bytes()).html
    assert fresh_part(html_to_text(html)).split() == fresh_of(name).split()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ahoj",
        "Seznam:\n- a\n- b\n-- \nJan",
        "Od: pondělí\nDo: pátku\nmáme zavřeno.",
        "Dobrý den,\nobjednávám přepravu:\nOd: Praha\nKomu: Brno\nDatum: 5. 3. 2026\n\nDěkuji, zakázka: 123 Dokumentace p2",
        "Objednávám.\n\nOd: Hradec Králové\nKomu: Brno\nDatum: pondělí 5. 3. 2026 v 8:00\n\nDěkuji.",
        "Od: Obec Horní Lhota\nKomu: Firma s.r.o.\nDatum: 5. 3. 2026\nVěc: Objednávka\n\nDobrý den,\nposíláme ji.",
        "From: Prague\nTo: Brno\n\nby train",
        "Napsal:\nnic",
        "____\npodpis",
        "-----\ntabulka\n-----",
        "Úkoly:\n>From here it is mboxrd",
        "Ahoj\n\n>From the mailbox file\n\nkonec",
    ],
)
def test_a_mail_without_history_is_fresh_as_it_is(text: str) -> None:
    assert fresh_part(text) == text


@pytest.mark.parametrize(
    "block",
    [
        "From: Jan Novák\nSent: Monday, March 2, 2026 10:00 AM\nTo: Eva Malá\nSubject: Offer",
        "Od: Jan Novák\nOdesláno: pondělí 2. března 2026 10:00\nKomu: Eva Malá\nPředmět:",
        "Od: Jan Novák <jan@x.cz>\nDatum: 2. 3. 2026\nKomu: Eva Malá",
        "*Od:* Jan Novák [mailto:jan@x.cz]\n*Odesláno:* pondělí\n*Komu:* Eva\n*Předmět:* Věc",
        "Komu: Eva\nOd: Jan <jan@x.cz>\nPředmět: a\n\nVěc: b",
    ],
)
def test_a_block_with_the_senders_address_or_with_subject_and_time_is_a_clients(block: str) -> None:
    assert fresh_part(f"Souhlasím.\n\n{block}\n\nstará věc") == "Souhlasím."


def test_what_stands_above_a_block_and_reads_like_one_hides_no_block() -> None:
    refused = "Priorita: 1\nKomu: Brno\nOd: Praha\n"
    block = "Od: Jan <jan@x.cz>\nKomu: Eva\nPředmět: a"
    assert fresh_part(f"Ano.\n{refused}{block}\n\nstará věc").split() == f"Ano.\n{refused}".split()
    assert fresh_part(f"Ano.\n{'Priorita: 1' + chr(10)}{refused * 20}{block}\n\nstará věc").endswith("Od: Praha")


def test_a_block_below_a_line_that_announces_it_needs_no_address() -> None:
    text = "Ano.\n-------- Původní zpráva --------\nPředmět: x\nOd: Jan\nKomu: Eva\n\n> první?\nne"
    assert fresh_part(text).split() == ["Ano.", "ne"]


@pytest.mark.parametrize(
    "text",
    [
        "> všechno\n> je v citaci",
        "On Mon, 2 Mar 2026, Jan wrote:\n> all\n> quoted",
        "Od: Jan <jan@x.cz>\nOdesláno: dnes\nKomu: Eva\nPředmět: x\n\nText, a pod ním třeba odpověď.",
        "-----Original Message-----\nFrom: a@b.cz\nSent: today\nTo: c@d.cz\n\ntext, perhaps an answer",
        "Odpovědi viz níže.\n\n-----Původní zpráva-----\nOd: a@b.cz\nOdesláno: dnes\nKomu: c@d.cz\n\nlze?\nANO",
    ],
)
def test_in_doubt_everything_is_fresh(text: str) -> None:
    assert fresh_part(text) == text


@pytest.mark.parametrize(
    "separator",
    [
        "---------- Forwarded message ---------",
        "-------- Přeposlaná zpráva --------",
        "Begin forwarded message:",
        "Začátek přeposílané zprávy:",
    ],
)
def test_a_forwarded_mail_without_a_word_has_nothing_fresh(separator: str) -> None:
    assert fresh_part(f"\n{separator}\n\nOd: Jan <jan@x.cz>\nDatum: dnes\nPředmět: x\nKomu: Eva\n\ntext") == ""


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 2 Mar 2026 at 10:00, Jan Novák <jan@x.cz> wrote:",
        "On Mon, 2 Mar 2026 at 10:00, Jan Novák, the sales manager of Firma\ns.r.o. <jan@x.cz>\nwrote:",
        "Dne 2. března 2026 10:00 Jan Novák <jan@x.cz> napsal(a):",
        "po 2. 3. 2026 v 10:00 odesílatel Jan Novák <jan@x.cz> napsal:",
        "út 3. 3. 2026 v 10:00 odesílatel Jana Nová <\njana@x.cz> napsala:",
        "2. 3. 2026 v 10:00, Jan Novák <jan@x.cz>:",
        "Am 02.03.2026 um 10:00 schrieb Jan Novák <jan@x.cz>:",
        "Le 2 mars 2026 à 10:00, Jan Novák <jan@x.cz> a écrit :",
        "2026-03-02 10:00 GMT+01:00 Jan Novák <jan@x.cz>:",
    ],
)
@pytest.mark.parametrize("mark", ["> ", ""])
def test_the_line_that_names_the_writer_belongs_to_the_history(attribution: str, mark: str) -> None:
    assert fresh_part(f"Ano.\n\n{attribution}\n\n{mark}stará\n{mark}věc\n") == "Ano."


def test_a_line_that_names_the_writer_without_a_date_counts_only_above_quote_signs() -> None:
    assert fresh_part("Jan Novák napsal(a):\n> věc\n\nSouhlas.") == "Souhlas."
    assert fresh_part("Ahoj,\nto Jan napsal:\njen tak.") == "Ahoj,\nto Jan napsal:\njen tak."


def test_a_sentence_with_a_date_that_ends_in_wrote_hides_nothing() -> None:
    text = "Ahoj,\n\nDne 5. 3. 2026 volal pan Novák a napsal:\n\nMáme zájem.\n\nJana"
    assert fresh_part(text) == text


def test_answers_between_quotes_stay_and_so_do_answers_below_a_quoted_block() -> None:
    text = "-------- Původní zpráva --------\nPředmět: x\nOd: Jan <jan@x.cz>\nKomu: Eva\n\n> první?\nano\n> druhá?\nne"
    assert fresh_part(text).split() == ["ano", "ne"]


def test_a_separator_inside_a_quote_ends_nothing() -> None:
    text = "> -----Original Message-----\n> From: a@b.cz\n> Sent: x\n> To: y\n> q\nodpověď\n> r\nkonec"
    assert fresh_part(text) == "odpověď\nkonec"


lines = st.lists(
    st.sampled_from(
        [
            "", "> q", ">> r", "odpověď", "On 2. 3. 2026 a@b.cz wrote:", "Od: a@b.cz", "Komu: c", "Předmět: x", "____________",
            "-----Původní zpráva-----", "---------- Forwarded message ---------", "Dne 1. 1. 2026 napsal:", "viz níže", "\ufeff>", "a@b:",
        ]
    ),
    max_size=25,
)  # fmt: skip


@given(st.text() | lines.map("\n".join))
def test_the_fresh_part_consists_of_lines_of_the_text(text: str) -> None:
    fresh = fresh_part(text)
    remaining = iter(line.strip() for line in text.split("\n"))
    assert all(line.strip() in remaining for line in fresh.split("\n") if line.strip())


@given(lines)
def test_an_answer_under_quote_signs_is_never_lost(above: list[str]) -> None:
    quoted = [f"> {line}" for line in above]
    assert fresh_part("\n".join([*quoted, "", "moje odpověď"])).endswith("moje odpověď")


HOSTILE = [">\n", "\n", ":\n", "From: a\n", "From: a\nTo: b\nSubject: c\n", "To: a,\n", "x wrote:\n", "On ", " ", "-", "--\n", "a@b:\n",
           "On 1 a@b\n", "From:", "*", "> ", "Od: a\n\n", "a" * 399 + " 1 wrote:\n",
           "Utajení:\nx\n", "Priorita:\n\n", "@:\n", "1@:\n", "\u0301@:\n", "An:\nx\nDe:\nx\n", "Od:\nPro:\n\n",
           "Od:\nKomu:\nDatum:\nCc:\nVěc:\n" + "Utajení:\nx\n" * 12]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = unit * (size // len(unit)) + ":"
        return lambda: fresh_part(text)

    assert_linear(work, 500_000, bound=1)


def test_a_text_beyond_a_million_characters_is_all_fresh() -> None:
    text = "nic\n" * 250_000 + "\nDne 1. 1. 2026 v 10:00 Jan <a@b.cz> napsal(a):\n> ahoj\n"
    assert fresh_part(text) == text
