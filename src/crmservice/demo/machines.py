"""What machines write: the Troubleshooting application, notices, newsletters, junk, bounces, and mail made to harm."""

from __future__ import annotations

from crmservice.demo.colleagues import TO_DEAD_ADDRESS
from crmservice.demo.letter import HERE, Letter, message_id, moment, write
from crmservice.demo.people import ALICE, CERNA, DVORAKOVA, HORAK, KUCERA, NOVOTNA, SVOBODA, VLCKOVA
from crmservice.demo.sample import Post, Sample, Says
from crmservice.mail import own_notice

HELPDESK = f"Řešení problémů <helpdesk@{HERE}>"
APPLICATION = f"CRM <app@{HERE}>"
MONITOR = "Monitoring <monitor@hosting.example>"


def samples(post: Post) -> list[Sample]:
    """The machines' mail, in the order of its arrival."""
    return [*_problems(post), *_notices(post), *_junk(post), *_own_rules(post), *_bounces(post), *_harmful(post)]


def _problem(slug: str, subject: str, status: str, at: str, contract: str = "2026-02", day: int = 1) -> Letter:
    rows = f"<tr><td>Předmět</td><td>Nejde tisk žádanek</td></tr><tr><td>Stav</td><td>{status}</td></tr>"
    link = "https://ng.horizont.example/form.aspx?form=10&amp;id=512"
    html = (
        f'<html><body><p>Zakázka: {contract}</p><table>{rows}</table><p><a href="{link}">Otevřít</a></p></body></html>'
    )
    return Letter(slug, HELPDESK, KUCERA, subject, f"Zakázka: {contract}\n", day=day, at=at, html=html)


def _problems(post: Post) -> list[Sample]:
    return [
        post.sample(_problem("problem-novy", "Nový problém č. 512", "Nový", "09:00"), (
            "The Troubleshooting application's mail makes a task.",
            "E-mail aplikace Řešení problémů založí úkol."), ("Task application", "NEW TASK CREATED", "DELETED"), "problem"),
        post.sample(_problem("problem-stav", "Stav Problém č. 512", "Vyřešeno", "12:00"), (
            "Its next mail about the same problem updates that task.",
            "Její další e-mail k témuž problému úkol změní."), ("Task application", "TASK 106 UPDATED", "DELETED"), "problem"),
        post.sample(Letter(
            "problem-neuplny", HELPDESK, KUCERA, "Problém č. 513", "Zakázka: 2026-02\nbez tabulky\n", day=1, at="12:30"), (
            "Without its four facts such a mail is an invalid task.",
            "Bez svých čtyř údajů je takový e-mail neplatný úkol."), ("INVALID TASK", "DELETED"), "problem"),
    ]  # fmt: skip


def _notices(post: Post) -> list[Sample]:
    automatic = "This is an automatically generated e-mail. Please do not reply.\n"
    return [
        _own_notice(post),
        post.sample(Letter(
            "licence-net-genium", "NET Genium <License@netgenium.com>", HORAK, "Licence", "Your licence was renewed.\n", day=2), (
            "NET Genium's own mail is skipped.",
            "Vlastní e-mail systému NET Genium se přeskočí."), ("NET Genium", "DELETED"), "system_sender"),
        post.sample(Letter(
            "info-o-zakazce", APPLICATION, NOVOTNA, "Info o zakázce 2026-01",
            "Stav zakázky se změnil.\n\nToto je automaticky generovaný e-mail.\n", day=2, at="09:05"), (
            "The CRM's automatic information for colleagues is skipped.",
            "Automatická informace CRM kolegům se přeskočí."), ("Inform other users...", "DELETED"), "notify_others"),
        post.sample(Letter("contract-details", APPLICATION, SVOBODA, "Contract details", automatic, day=2, at="09:06"), (
            "So are its automatic details.",
            "Stejně tak její automatické podrobnosti."), ("Notify other users...", "DELETED"), "notify_others"),
        post.sample(Letter(
            "vypadek-sluzby", MONITOR, DVORAKOVA, "[alert] Service out of service since 02:10", "web-3 is down\n", day=2, at="02:11"), (
            "A subject on the box's ignoreSubject list is skipped …",
            "Předmět ze seznamu ignoreSubject schránky se přeskočí …"), ("IGNORED SUBJECT", "DELETED"), "ignored_subject"),
        post.sample(Letter(
            "vypadek-dotaz", VLCKOVA, DVORAKOVA, "Re: Service out of service", "Kdy to zase poběží?\n\nVlčková\n", day=2, at="08:01"), (
            "… but not a customer's reply to it.",
            "… ale odpověď zákaznice na něj ne.")),
    ]  # fmt: skip


def _own_notice(post: Post) -> Sample:
    letter = Letter(
        "nase-oznameni", f"CRMService <crmservice@{HERE}>", HORAK, "CRMService: box crm could not be read",
        "The connection was refused.\n", day=2, at="05:00", headers=(("Auto-Submitted", "auto-generated"),),
    )  # fmt: skip
    says = Says(
        "Our own notice came back by a forwarding rule: known by its seal and left alone.",
        "Naše vlastní oznámení se vrátilo přeposíláním: pozná se podle pečeti a nechá se být.",
    )
    raw = own_notice.sealed(write(letter, post.start), post.notice_key)
    return Sample(letter.slug, "crm", raw, says, ("OWN NOTICE", "DELETED"), "own_notice")


def _junk(post: Post) -> list[Sample]:
    return [
        post.sample(Letter(
            "newsletter", "IT týdeník <redakce@tydenik.example>", CERNA, "Novinky týdne 10", "Přehled článků …\n", day=2, at="06:00",
            html="<h1>Novinky týdne</h1><p>Přehled článků …</p>",
            headers=(("List-Id", "<novinky.tydenik.example>"), ("Precedence", "bulk"))), (
            "A newsletter goes to a list of its own.",
            "Hromadný zpravodaj jde na vlastní seznam."), ("BULK", "DELETED"), "bulk"),
        post.sample(Letter(
            "spam-filtr", "Winner <prize@loterie.example>", KUCERA, "You have won!!!", "Click here.\n", day=2, at="03:33",
            headers=(("X-Spam-Flag", "YES"),)), (
            "So does what the spam filter marked.",
            "Stejně tak to, co označil filtr spamu."), ("BULK", "DELETED"), "bulk"),
        post.sample(Letter("bez-odesilatele", "nobody", NOVOTNA, "Undisclosed", "…\n", day=2, at="03:40", verified=False), (
            "No usable sender: nobody could answer it.",
            "Bez použitelného odesílatele: nikdo by neodpověděl."), ("SPAM", "DELETED"), "invalid_addresses"),
    ]  # fmt: skip


def _own_rules(post: Post) -> list[Sample]:
    return [
        post.sample(Letter(
            "anketa", "Ankety <pozvani@ankety.example>", NOVOTNA, "Jak jste spokojeni?", "Vyplňte anketu …\n", day=2, at="07:10"), (
            "A rule that the administrator made leaves out what nobody wants to see.",
            "Pravidlo, které si přidal správce, vynechá, co nikdo nechce vidět."), ("OWN RULE", "DELETED"), "own_rule"),
        post.sample(Letter(
            "potvrzeni-objednavky", "Nordwind <auftrag@nordwind.example>", SVOBODA, "Bestellbestätigung 88-1",
            "Ihre Bestellung wird bearbeitet.\n", day=2, at="07:20"), (
            "Another one files order confirmations under a contract, for one salesperson.",
            "Jiné řadí potvrzení objednávek pod zakázku, jedné obchodnici."), rule="own_rule"),
    ]  # fmt: skip


def _bounces(post: Post) -> list[Sample]:
    postfix = (
        "This is the mail system at host mx.horizont.example.\n\nI'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\n"
        "<old.office@brightsons.example>: host mail.brightsons.example[192.0.2.25] said: 550 5.1.1 unknown user\n"
    )
    daemon = f"Mail Delivery System <MAILER-DAEMON@{HERE}>"
    return [
        post.sample(Letter(
            "nedorucitelne", daemon, "svoboda@horizont.example", "Undelivered Mail Returned to Sender", postfix, day=1, at="16:21"), (
            "A bounce of mail that we sent: the dead address is marked, the activity stays open.",
            "Vrácený e-mail, který jsme poslali: mrtvá adresa se označí, aktivita zůstane otevřená."), rule="bounce"),
        _report(post, "zprava-o-nedoruceni", "tom@brightsons.example", "5.1.1", "failed", (
            "A standard delivery report about an address we wrote to: marked broken.",
            "Standardní zpráva o nedoručení na adresu, na kterou jsme psali: označí se jako nefunkční.")),
        _report(post, "plna-schranka", "alice@brightsons.example", "5.2.2", "failed", (
            "A full mailbox marks nothing: the address is alive.",
            "Plná schránka nic neoznačí: adresa žije.")),
    ]  # fmt: skip


def _report(post: Post, slug: str, failed: str, status: str, action: str, shows: tuple[str, str]) -> Sample:
    """A delivery report (RFC 3464) that quotes the mail of ours which it is about."""
    when = moment(post.start, 1, "16:25")
    quoted = message_id(TO_DEAD_ADDRESS, post.start)
    text = f"""\
Authentication-Results: mx.{HERE}; dmarc=pass header.from=brightsons.example
From: Mail Delivery Subsystem <postmaster@brightsons.example>
To: svoboda@{HERE}
Subject: Delivery Status Notification (Failure)
Date: {when:%a, %d %b %Y %H:%M:%S %z}
Message-ID: <{slug}.{post.start:%Y%m%d}@brightsons.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_{slug}"

--=_{slug}
Content-Type: text/plain; charset=us-ascii

Your message to {failed} could not be delivered.

--=_{slug}
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.brightsons.example
Arrival-Date: {when:%a, %d %b %Y %H:%M:%S %z}

Final-Recipient: rfc822; {failed}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 {status} recipient refused

--=_{slug}
Content-Type: text/rfc822-headers

From: svoboda@{HERE}
To: {failed}
Subject: Training in May
Message-ID: <{quoted}>

--=_{slug}--
"""
    return Sample(slug, "crm", text.replace("\n", "\r\n").encode(), Says(*shows), ("PROCESSED",), "bounce")


def _harmful(post: Post) -> list[Sample]:
    letter = Letter("bomba", "x@utocnik.example", NOVOTNA, "Invoice", "…\n", day=2, at="04:00", verified=False)
    head, _, _ = write(letter, post.start).partition(b"Content-Type")
    levels = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(5_000))
    deep = head + b"MIME-Version: 1.0\r\n" + levels.encode() + b"Content-Type: text/plain\r\n\r\nx\r\n"
    many = b"".join(b"X-Filler-%d: x\r\n" % number for number in range(5_000))
    return [
        post.sample(letter, (
            "5,000 parts inside each other, made to choke the reader: set aside; the rest goes on.",
            "5 000 vnořených částí, které mají čtečku udusit: odloží se stranou; ostatní jde dál."), ("SET ASIDE",), "set_aside")
            ._replace(raw=deep),
        post.sample(Letter("tisice-hlavicek", "y@utocnik.example", KUCERA, "Re: offer", "…\n", day=2, at="04:01", verified=False), (
            "So is a mail with 5,000 headers.",
            "Stejně tak e-mail s 5 000 hlavičkami."), ("SET ASIDE",), "set_aside")
            ._replace(raw=many + write(Letter("tisice-hlavicek", ALICE, KUCERA, "Re: offer", "…\n", verified=False), post.start)),
    ]  # fmt: skip
