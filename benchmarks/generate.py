#!/usr/bin/env python3
"""Write realistic mail and the records it belongs to: generate.py OUT [--mails N] [--median BYTES] [--seed S].

OUT/mails/NNNNNN.eml and OUT/records.json (for ``crmservice load``). Mail n is the same bytes for the same seed,
however many are written. Sizes are log-normal: median 6 KB, mean about 23 KB. Two in five are HTML, large ones are
large by their attachments; charsets, encodings, threads, markers and repeats are spread as the tables below say.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import quopri
import random
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.header import Header
from email.utils import format_datetime
from pathlib import Path

DOMAIN = "firma.example"
BOX = f"crm@{DOMAIN}"
USERS, CONTACTS, ACCOUNTS, CONTRACTS = 200, 5_000, 1_500, 400
FIRST_DAY = datetime(2026, 1, 5, 7, 0, tzinfo=timezone(timedelta(hours=1)))

MEDIAN, MEAN = 6_000, 23_000
REPEATS, REPLIES, HTML, MARKERS = 0.02, 0.45, 0.4, 0.15
# Kind of mail, and how often: a customer's, a colleague's to customers, among colleagues, a newsletter, a stranger's.
KINDS = (("incoming", 60), ("outgoing", 25), ("internal", 7), ("newsletter", 5), ("stranger", 3))
CHARSETS = (("utf-8", 74), ("windows-1250", 14), ("iso-8859-2", 12))
ENCODINGS = (("quoted-printable", 50), ("8bit", 30), ("base64", 20))
GROWTH = {"quoted-printable": 1.2, "8bit": 1.0, "base64": 1.36}  # of this text by its encoding

FIRST = [
    "Jan",
    "Petr",
    "Pavel",
    "Martin",
    "Tomáš",
    "Jiří",
    "Lukáš",
    "Ondřej",
    "Zdeněk",
    "Marek",
    "Jana",
    "Eva",
    "Hana",
    "Lucie",
    "Tereza",
    "Kateřina",
    "Lenka",
    "Zdeňka",
    "Věra",
    "Alena",
]
LAST = [
    "Novák",
    "Svoboda",
    "Dvořák",
    "Černý",
    "Procházka",
    "Kučera",
    "Veselý",
    "Horák",
    "Němec",
    "Pokorný",
    "Říha",
    "Šťastný",
    "Žák",
    "Bláha",
    "Vlček",
    "Beneš",
    "Fiala",
    "Kříž",
]
WORDS = [
    "dobrý",
    "den",
    "děkujeme",
    "za",
    "vaši",
    "poptávku",
    "nabídku",
    "zašleme",
    "během",
    "zítřka",
    "prosím",
    "o",
    "potvrzení",
    "termínu",
    "dodávky",
    "smlouva",
    "je",
    "v",
    "příloze",
    "faktura",
    "objednávka",
    "množství",
    "sklad",
    "doprava",
    "cena",
    "sleva",
    "záruka",
    "reklamace",
    "oprava",
    "technik",
    "přijede",
    "v",
    "úterý",
    "odpoledne",
    "schůzka",
    "jednání",
    "zápis",
    "podklady",
    "projekt",
    "etapa",
    "předání",
    "akceptace",
    "příliš",
    "žluťoučký",
    "kůň",
    "úpěl",
    "ďábelské",
    "ódy",
    "hello",
    "thank",
    "you",
    "for",
    "your",
    "message",
    "please",
    "find",
    "attached",
    "the",
    "offer",
    "we",
    "would",
    "like",
    "to",
    "order",
    "delivery",
    "next",
    "week",
    "kind",
    "regards",
    "best",
    "wishes",
    "invoice",
]


@dataclass(frozen=True)
class Person:
    """Somebody with an address."""

    name: str
    email: str


def pick(rng: random.Random, table: tuple[tuple[str, int], ...]) -> str:
    """One of the table's names, as often as its weight says."""
    return rng.choices([name for name, _ in table], [weight for _, weight in table])[0]


def plain(text: str) -> str:
    """A name as an address has it."""
    return text.lower().translate(str.maketrans("áčďéěíňóřšťúůýž", "acdeeinorstuuyz"))


def person(number: int, domain: str) -> Person:
    """The same person for the same number."""
    first, last = FIRST[number % len(FIRST)], LAST[number // len(FIRST) % len(LAST)]
    return Person(f"{first} {last}", f"{plain(first)}.{plain(last)}{number}@{domain}")


def user(number: int) -> Person:
    return person(number, DOMAIN)


def contact(number: int) -> Person:
    return person(number, f"zakaznik{number % ACCOUNTS}.example")


def records() -> dict[str, list[dict[str, object]]]:
    """The company as ``crmservice load`` reads it."""
    roles = ["Vedení", *(f"Tým {n}" for n in range(10))]
    teams: list[dict[str, object]] = [{"name": name, "parent": "Vedení"} for name in roles[1:]]
    return {
        "roles": [{"name": "Vedení"}, *teams],
        "users": [
            {"login": f"u{n}", "name": user(n).name, "email": user(n).email, "role": roles[n % len(roles)]}
            for n in range(USERS)
        ],
        "activity_types": [{"name": "E-mail"}, {"name": "Dokumentace"}, {"name": "Nabídka"}],
        "accounts": [
            {"name": f"Zákazník {n} s.r.o.", "emails": [f"info@zakaznik{n}.example"]} for n in range(ACCOUNTS)
        ],
        "contacts": [
            {
                "name": f"{contact(n).name} {n}",
                "account": f"Zákazník {n % ACCOUNTS} s.r.o.",
                "emails": [contact(n).email],
            }
            for n in range(CONTACTS)
        ],
        "contracts": [
            {
                "number": f"2026-{n:03}",
                "name": f"Projekt {n}",
                "account": f"Zákazník {n} s.r.o.",
                "team": [f"u{n % USERS}"],
            }
            for n in range(CONTRACTS)
        ],
    }


def size_wanted(rng: random.Random, median: int) -> int:
    """Bytes of one mail: log-normal, its mean to its median as MEAN to MEDIAN."""
    sigma = math.sqrt(2 * math.log(MEAN / MEDIAN))
    return int(rng.lognormvariate(math.log(median), sigma))


def people_of(number: int, seed: int) -> tuple[str, Person, list[Person]]:
    """Kind, sender and recipients of mail ``number``: asked again for replies to it."""
    rng = random.Random(f"{seed}/people/{number}")
    kind = pick(rng, KINDS)
    us = [user(rng.randrange(USERS)) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    them = [contact(rng.randrange(CONTACTS)) for _ in range(rng.choice((1, 1, 2)))]
    if kind == "outgoing":
        return kind, us[0], [*them, *us[1:]]
    if kind == "internal":
        return kind, us[0], [*us[1:], user(rng.randrange(USERS)), user(rng.randrange(USERS))]
    if kind == "newsletter":
        return kind, Person("Novinky", f"novinky@tydenik{rng.randrange(40)}.example"), us[:1]
    if kind == "stranger":
        return kind, person(rng.randrange(10_000), f"cizi{rng.randrange(900)}.example"), us[:1]
    return kind, them[0], us


def message_id(number: int, sender: Person) -> str:
    return f"<{number}.bench@{sender.email.partition('@')[2]}>"


def sentences(rng: random.Random, length: int) -> str:
    """About ``length`` characters of text in lines of a letter."""
    lines = []
    while length > 0:
        line = " ".join(rng.choices(WORDS, k=9)).capitalize() + "."
        lines.append(line)
        length -= len(line) + 1
    return "\r\n".join(lines) + "\r\n"


def encoded(text: str, charset: str, encoding: str) -> bytes:
    raw = text.encode(charset, "replace")
    if encoding == "base64":
        return base64.encodebytes(raw).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return raw


def part(kind: str, text: str, charset: str, encoding: str) -> bytes:
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + encoded(text, charset, encoding)


def attachment(rng: random.Random, number: int, size: int) -> bytes:
    name = rng.choice(("smlouva.pdf", "nabidka.xlsx", "foto.jpg", "zapis.docx"))
    head = (
        f'Content-Type: application/octet-stream; name="{number}-{name}"\r\n'
        f'Content-Disposition: attachment; filename="{number}-{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    )
    return head.encode() + base64.encodebytes(rng.randbytes(max(size * 73 // 100, 30))).replace(b"\n", b"\r\n")


def multipart(sub: str, number: int, parts: list[bytes]) -> bytes:
    mark = f"=_{sub}_{number}"
    inner = b"".join(f"--{mark}\r\n".encode() + one + b"\r\n" for one in parts)
    return f'Content-Type: multipart/{sub}; boundary="{mark}"\r\n\r\n'.encode() + inner + f"--{mark}--\r\n".encode()


def body(rng: random.Random, number: int, wanted: int, text_start: str) -> bytes:
    """A body of about ``wanted`` bytes: what text does not fill, attachments do."""
    charset, encoding = pick(rng, CHARSETS), pick(rng, ENCODINGS)
    html = rng.random() < HTML
    share = wanted / GROWTH[encoding] / (3.1 if html else 1.08)  # the HTML repeats the text, with tags
    text = text_start + sentences(rng, min(int(share), rng.randrange(500, 9_000)))
    parts = [part("plain", text, charset, encoding)]
    if html:
        rows = "".join(f"<p style='margin:0;font-family:Calibri'>{line}</p>\r\n" for line in text.split("\r\n"))
        page = f"<html><head><style>p{{margin:0}}</style></head><body>{rows}<img src='https://t.example/p.gif'></body></html>"
        parts.append(part("html", page, charset, encoding))
    whole = multipart("alternative", number, parts) if html else parts[0]
    left = wanted - len(whole)
    if left < 2_000:
        return whole
    count = rng.choice((1, 1, 2, 3))
    return multipart("mixed", number, [whole, *(attachment(rng, n, left // count) for n in range(count))])


def header(name: str, text: str) -> str:
    value = text if text.isascii() else Header(text, "utf-8", header_name=name).encode(linesep="\r\n")
    return f"{name}: {value}\r\n"


def address(one: Person) -> str:
    name = one.name if one.name.isascii() else Header(one.name, "utf-8").encode()
    return f"{name} <{one.email}>"


def head(rng: random.Random, number: int, seed: int, answered: int | None) -> tuple[str, str]:
    """The header block, and the first line of the text (a marker, or nothing)."""
    kind, sender, recipients = people_of(number, seed)
    subject = f"{' '.join(rng.choices(WORDS, k=4)).capitalize()} {number}"
    thread = ""
    if answered is not None:
        _, before, _ = people_of(answered, seed)
        recipients = [before, *recipients[1:]] if kind == "outgoing" else recipients
        subject = f"Re: {' '.join(random.Random(answered).choices(WORDS, k=4))}"
        thread = f"In-Reply-To: {message_id(answered, before)}\r\nReferences: {message_id(answered, before)}\r\n"
    marker = f"Zakázka: 2026-{rng.randrange(CONTRACTS):03}\r\n" if rng.random() < MARKERS else ""
    lines = [
        f"Return-Path: <{sender.email}>\r\n",
        f"Received: from mx{number % 9}.example (mx{number % 9}.example [192.0.2.{number % 250}]) by mx.{DOMAIN} with ESMTPS id {number:x}\r\n",
        f"Authentication-Results: mx.{DOMAIN}; dkim=pass header.d={sender.email.partition('@')[2]}; dmarc=pass header.from={sender.email.partition('@')[2]}\r\n",
        f"From: {address(sender)}\r\n",
        f"To: {', '.join(map(address, recipients))}\r\n",
        f"Cc: {BOX}\r\n" if kind == "outgoing" else "",
        header("Subject", subject),
        f"Date: {format_datetime(FIRST_DAY + timedelta(seconds=37 * number))}\r\n",
        f"Message-ID: {message_id(number, sender)}\r\n",
        thread,
        f"List-Id: <novinky.{sender.email.partition('@')[2]}>\r\nPrecedence: bulk\r\n" if kind == "newsletter" else "",
        "X-Mailer: Microsoft Outlook 16.0\r\nMIME-Version: 1.0\r\n",
    ]
    return "".join(lines), marker


def mail(number: int, seed: int = 1, median: int = MEDIAN) -> bytes:
    """Mail ``number``: the same bytes for the same number, seed and median."""
    rng = random.Random(f"{seed}/mail/{number}")
    if number > 50 and rng.random() < REPEATS:
        # The copy that another colleague's mailbox forwarded.
        return f"Received: by forwarder{number}.example\r\n".encode() + mail(
            number - rng.randrange(1, 50), seed, median
        )
    answered = number - rng.randrange(1, 40) if number > 40 and rng.random() < REPLIES else None
    block, marker = head(rng, number, seed, answered)
    return block.encode() + body(rng, number, max(size_wanted(rng, median) - len(block), 60), marker)


def write(out: Path, mails: int, seed: int = 1, median: int = MEDIAN) -> list[int]:
    """Write the mails and the records below ``out``; returns the mails' sizes in bytes."""
    folder = out / "mails"
    folder.mkdir(parents=True, exist_ok=True)
    (out / "records.json").write_text(json.dumps(records(), ensure_ascii=False), encoding="utf-8")
    sizes = []
    for number in range(mails):
        raw = mail(number, seed, median)
        sizes.append(len(raw))
        (folder / f"{number:06}.eml").write_bytes(raw)
    return sizes


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--median", type=int, default=MEDIAN, help="bytes; the mean is 23/6 of it")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sizes = sorted(write(given.out, given.mails, given.seed, given.median))
    print(
        f"{len(sizes)} mails, median {sizes[len(sizes) // 2]} bytes, mean {sum(sizes) // len(sizes)} bytes, largest {sizes[-1]}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
