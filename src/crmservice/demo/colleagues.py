"""What colleagues write: to customers, to each other, tasks by mail, and mail forwarded by hand."""

from __future__ import annotations

from crmservice.demo.customers import PDF
from crmservice.demo.letter import File, Letter, write
from crmservice.demo.people import (
    ALICE,
    BOX,
    CERNA,
    DOCTOR,
    DVORAKOVA,
    HORAK,
    KOVAR,
    KRALOVA,
    KUCERA,
    LINDQVIST,
    MALY,
    MUELLER,
    NOVOTNA,
    PROCHAZKA,
    STASTNY,
    SVOBODA,
    TOM,
    VESELY,
    VLCKOVA,
    ZAKOVA,
)
from crmservice.demo.sample import Post, Sample

NEWSLETTER = Letter(
    "novinky-zakaznikum", SVOBODA, f"{ALICE}, {VLCKOVA}", "What is new in version 8.2 / Novinky verze 8.2 (Order: 4500012345 p1)",
    "Dear customers,\n\nversion 8.2 brings faster search and a map of deliveries.\n\nPetr Svoboda\n", day=1, at="16:00", cc=BOX,
)  # fmt: skip

TO_DEAD_ADDRESS = Letter(
    "pozvanka-na-skoleni", SVOBODA, f"{TOM}, old.office@brightsons.example", "Training in May",
    "Hello,\n\nwe are planning a training in May, would you like to join?\n\nPetr Svoboda\n", day=1, at="16:20",
)  # fmt: skip

FROM_CUSTOMER = Letter(
    "puvodni-od-zakaznice", ZAKOVA, SVOBODA, "Přístupy pro dvě nové sestry",
    "Dobrý den,\n\nprosím o přístupy pro Evu Malou a Ditu Krátkou. Zakázka: 2026-02\n\nHana Žáková\n", day=3, at="13:00",
)  # fmt: skip


def samples(post: Post) -> list[Sample]:
    """The colleagues' mail, in the order of its arrival."""
    return [*_to_customers(post), *_among_us(post), *_tasks(post), *_forwarded(post)]


def _to_customers(post: Post) -> list[Sample]:
    return [
        post.sample(NEWSLETTER, (
            "One mail to two customers: one activity, linked to both; “p1” shows it to the top level.",
            "Jeden e-mail dvěma zákazníkům: jedna aktivita spojená s oběma; „p1“ ji ukáže nejvyšší úrovni."), rule="outgoing"),
        post.sample(TO_DEAD_ADDRESS, (
            "A mail from our domain to others is outgoing without the box in copy.",
            "E-mail z naší domény ven je odchozí i bez schránky v kopii."), rule="direction"),
        post.sample(Letter(
            "dokumentace-projektu", VESELY, MUELLER, "Project: P/2026/7 Documentation",
            "Hello Jürgen,\n\nattached is the description of the interface.\n\nMartin\n", day=2, at="15:30", cc=BOX,
            files=(File("interface.pdf", PDF),)), (
            "A project in English, its type set by the word behind the number.",
            "Projekt anglicky, typ aktivity určuje slovo za číslem."), rule="assignment"),
        post.sample(Letter(
            "ukol-ve-znacce", KUCERA, ZAKOVA, "Zaškolení recepce ve středu",
            "Dobrý den,\n\npřijedeme ve středu v 9 hodin.\n\nÚkol: 102\nJiří Kučera\n", day=2, at="16:02"), (
            "A task's marker in the text files the mail with the task.",
            "Značka úkolu v textu založí e-mail k úkolu."), rule="assignment"),
        post.sample(Letter(
            "jen-pro-tym", NOVOTNA, PROCHAZKA, "Cenové podmínky (zakazka:2026-01 p-)",
            "Dobrý den,\n\nposílám dohodnuté podmínky.\n\nNovotná\n", day=3, at="14:00"), (
            "“p-”: seen by the responsible person and the contract's team alone.",
            "„p-“: vidí jen odpovědná osoba a tým zakázky."), rule="outgoing"),
        post.sample(Letter(
            "neznamy-nas", "Vlasta Nová <nova@horizont.example>", f"{KOVAR}, {STASTNY}", "Pozvánka na den otevřených dveří",
            "Srdečně vás zveme.\n", day=3, at="14:20"), (
            "From our domain, but from nobody we know, to nobody of ours: kept in the list of messages only.",
            "Z naší domény, ale od nikoho známého a nikomu z nás: zůstane jen v seznamu zpráv."), ("REROUTED", "DELETED"), "unfiled"),
    ]  # fmt: skip


def _among_us(post: Post) -> list[Sample]:
    return [
        post.sample(Letter(
            "kolega-kolegovi", KUCERA, CERNA, "Verze na test",
            "Ahoj Lucko,\n\ndáš mi prosím vědět, až bude verze na testu?\n\nJirka\n", day=3, at="15:00"), (
            "A colleague's mail to one colleague is incoming; internalMail=private keeps it to those two.",
            "E-mail kolegy jedné kolegyni je příchozí; internalMail=private jej nechá jen jí.")),
        post.sample(Letter(
            "sobe", VESELY, VESELY, "Nezapomenout klíče", "od serverovny\n", day=3, at="15:20"), (
            "A note to oneself is no contact with a customer.",
            "Poznámka sobě není kontakt se zákazníkem."), ("SPAM", "DELETED"), "invalid_addresses"),
        post.sample(Letter(
            "zavodni-lekar", DOCTOR, DVORAKOVA, "Termín preventivní prohlídky",
            "Dobrý den, čekám Vás v úterý v 8:00.\n", day=3, at="15:40"), (
            "The company doctor's mail is never filed; only its headers are kept.",
            "E-mail závodního lékaře se nikdy nezakládá; zůstanou jen hlavičky."), ("NEVER FILED", "DELETED"), "never_filed"),
    ]  # fmt: skip


def _tasks(post: Post) -> list[Sample]:
    return [
        post.sample(Letter(
            "novy-ukol", HORAK, f"{NOVOTNA}, {MALY}", "Nový úkol: Připravit smlouvu pro Kamenici",
            "Prosím do pátku.\n\nHorák\n", day=1, at="08:00"), (
            "“Nový úkol:” makes a task: the recipients solve it, the sender approves.",
            "„Nový úkol:“ založí úkol: řeší ho příjemci, schvaluje odesílatel."), ("NEW TASK CREATED", "PROCESSED"), "new_task"),
        post.sample(Letter(
            "novy-ukol-preposlany", SVOBODA, KUCERA, "Fwd: New task: Check the printer at the reception",
            "Jirko, mrkni na to prosím. Contract: 2026-02\n\n> Tiskárna na recepci tiskne štítky nakřivo.\n", day=2, at="08:30"), (
            "A customer's mail forwarded as a task, filed under its contract.",
            "E-mail zákazníka přeposlaný jako úkol, u své zakázky."), ("NEW TASK CREATED", "PROCESSED"), "new_task"),
        post.sample(Letter(
            "podvrzeny-reditel", HORAK, f"{KRALOVA}, {NOVOTNA}", "New task: pay the invoice today",
            "Pay 480,000 CZK to the account below immediately. I am in a meeting.\n", day=2, at="17:45", verified=False,
            headers=(("Authentication-Results", "mx.utocnik.example; dmarc=pass header.from=horizont.example"),)), (
            "Somebody pretends to be the director: filed with a mark, but no task is made.",
            "Někdo se vydává za ředitele: založí se s označením, ale úkol nevznikne."), ("UNKNOWN USER", "PROCESSED"), "new_task"),
    ]  # fmt: skip


def _forwarded(post: Post) -> list[Sample]:
    block = (
        "Pro evidenci.\n\n-----Original Message-----\nFrom: Greta Lindqvist <lindqvist@nordwind.example>\n"
        "Sent: Wednesday, March 4, 2026 9:12 AM\nTo: Petr Svoboda <svoboda@horizont.example>\n"
        "Subject: Portal texts\n\nDear Petr, the German texts are ready.\nGreta\n"
    )
    return [
        post.sample(Letter(
            "preposlano-jako-priloha", SVOBODA, BOX, "Fwd: Přístupy pro dvě nové sestry", "Do CRM.\n", day=3, at="16:00",
            nested=write(FROM_CUSTOMER, post.start)), (
            "A mail forwarded to the box by hand as an attachment is filed as the mail it was.",
            "E-mail ručně přeposlaný do schránky jako příloha se založí jako původní e-mail."), ("UNWRAPPED", "PROCESSED")),
        post.sample(Letter(
            "preposlano-v-textu", SVOBODA, BOX, "Fwd: Portal texts", block, day=3, at="16:10"), (
            "Forwarded as quoted text: the original sender is a suggestion, one click away.",
            "Přeposláno jako citace: původní odesílatelka se navrhne, stačí klepnout."), rule="outgoing"),
        post.sample(Letter(
            "dotaz-po-telefonu", MALY, LINDQVIST, "Zápis z telefonátu", "Dear Greta,\n\nas discussed on the phone.\n\nTomáš\n",
            day=3, at="16:30", headers=(("X-Mailer", "phone"),)), (
            "An outgoing mail without any marker: the scope is the junior's own role.",
            "Odchozí e-mail bez značky: rozsah určuje role juniora."), rule="outgoing"),
    ]  # fmt: skip
