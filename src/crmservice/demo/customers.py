"""What customers write: questions, replies, old charsets, attachments, shared addresses, blind copies."""

from __future__ import annotations

import base64
from dataclasses import replace

from crmservice.demo.letter import File, Letter, write
from crmservice.demo.people import (
    ALICE,
    BENES,
    BLAHA,
    BOX,
    CERNA,
    INFO,
    KOVAR,
    KRALOVA,
    KUCERA,
    LINDQVIST,
    MALY,
    MUELLER,
    NEW_AT_VLTAVA,
    NOVOTNA,
    PROCHAZKA,
    RIHOVA,
    SERVIS,
    SIMEK,
    STASTNY,
    SVOBODA,
    TEREZA,
    TICHA,
    TOM,
    VLCKOVA,
    VRBA,
    ZAKOVA,
)
from crmservice.demo.sample import Post, Sample

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
DOT_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

ENQUIRY = Letter(
    "poptavka-ctecky", PROCHAZKA, NOVOTNA, "Poptávka: čtečky kódů do skladu",
    "Dobrý den, paní Novotná,\n\nchystáme rozšíření skladu v Týně a potřebovali bychom asi 12 čteček čárových kódů,\n"
    "které si rozumějí s vaším systémem. Mohla byste nám připravit cenovou nabídku?\n\n"
    "Děkuji a přeji hezký den\nPavel Procházka\nStrojírny Vltava a.s.\n",
    at="08:12",
)  # fmt: skip

OFFER = Letter(
    "nabidka-ctecky", NOVOTNA, PROCHAZKA, "Re: Poptávka: čtečky kódů do skladu (Zakázka: 2026-01 Nabídka p2)",
    "Dobrý den, pane Procházko,\n\nv příloze posílám nabídku na 12 čteček včetně nabíjecích stojanů.\n"
    "Dodáme do dvou týdnů od objednávky.\n\nS pozdravem\nJana Novotná\nHorizont\n",
    at="10:40", cc=BOX, answers=ENQUIRY, files=(File("Nabídka č. 2026-041.pdf", PDF),),
)  # fmt: skip

AGREED = Letter(
    "souhlas-s-nabidkou", PROCHAZKA, NOVOTNA, "Re: Poptávka: čtečky kódů do skladu",
    "Dobrý den,\n\nnabídka nám vyhovuje, objednávku pošle kolegyně Říhová.\n\nP. Procházka\n\n"
    "> v příloze posílám nabídku na 12 čteček včetně nabíjecích stojanů.\n",
    at="13:05", cc=f"{RIHOVA}, {BOX}", answers=OFFER,
)  # fmt: skip

THANKS = Letter(
    "kdy-dodate", PROCHAZKA, NOVOTNA, "Re: Poptávka: čtečky kódů do skladu",
    "Ještě jedna věc: je možné dodat první tři kusy už tento týden?\n\nP. Procházka\n",
    day=1, at="07:55", answers=AGREED,
)  # fmt: skip

TWO_COLLEAGUES = Letter(
    "vypadek-objednavek", STASTNY, SVOBODA, "Objednávky pacientů od rána nejdou otevřít",
    "Dobrý den,\n\nsestry na recepci hlásí, že se jim od 7:00 neotevře kalendář objednávek. Zakázka: 2026-02.\n"
    "Můžete se na to prosím podívat co nejdřív?\n\nMUDr. Ivan Šťastný\n",
    day=1, at="07:31", cc="Jiří Kučera <KUCERA@horizont.example>",
)  # fmt: skip

HIDDEN_COPY = Letter(
    "skryta-kopie", TEREZA, SVOBODA, "Fotky lahví pro e-shop",
    "Dobrý den,\n\nfotky všech etiket jsou na sdíleném disku, kdyby něco chybělo, napište.\n\nTereza Kovářová\n",
    day=1, at="11:20", headers=(("Delivered-To", BOX), ("Delivered-To", "maly@horizont.example")),
)  # fmt: skip

# The same mail as it reached another colleague who was in blind copy.
HIDDEN_COPY_AGAIN = (("Delivered-To", BOX), ("Delivered-To", "cerna@horizont.example"))


def samples(post: Post) -> list[Sample]:
    """The customers' mail, in the order of its arrival."""
    return [*_conversation(post), *_delivered(post), *_shared(post), *_written_oddly(post), *_filed_with_care(post)]


def _conversation(post: Post) -> list[Sample]:
    second = write(OFFER, post.start)
    return [
        post.sample(ENQUIRY, (
            "A customer's question becomes an activity of the colleague it was sent to.",
            "Dotaz zákazníka se stane aktivitou kolegyně, které přišel.")),
        post.sample(OFFER, (
            "Her answer, with the box in copy: contract, activity type and scope come from the marker in the subject.",
            "Její odpověď s kopií do schránky: zakázka, typ aktivity a rozsah jsou ze značky v předmětu."), rule="outgoing"),
        post.sample(ENQUIRY, (
            "The same mail forwarded once more counts once.",
            "Tentýž e-mail přeposlaný podruhé se počítá jednou."), ("DUPLICATE KEY", "DELETED"), "duplicate")
            ._replace(name="nabidka-podruhe", raw=b"Received: from mail.horizont.example by mx.horizont.example\r\n" + second),
        post.sample(AGREED, (
            "A reply to all has the box in copy; it is still the customer's mail to us.",
            "Odpověď všem má schránku v kopii; přesto je to e-mail zákazníka nám."), ("REROUTED", "PROCESSED")),
        post.sample(THANKS, (
            "A reply without a marker goes where its thread belongs.",
            "Odpověď bez značky jde tam, kam patří její vlákno."), rule="assignment"),
    ]  # fmt: skip


def _delivered(post: Post) -> list[Sample]:
    return [
        post.sample(TWO_COLLEAGUES, (
            "Two colleagues get a mail: one activity each, filed under the contract named in the text.",
            "E-mail dvěma kolegům: každému jedna aktivita u zakázky jmenované v textu.")),
        post.sample(HIDDEN_COPY, (
            "A colleague in blind copy, named by the delivery alone, gets his activity too.",
            "Kolega ve skryté kopii, kterého jmenuje jen doručení, má svou aktivitu také.")),
        post.sample(replace(HIDDEN_COPY, headers=HIDDEN_COPY_AGAIN), (
            "The same mail from another colleague's mailbox: only she is added.",
            "Tentýž e-mail ze schránky další kolegyně: přibude jen ona."), ("DUPLICATE KEY", "RECIPIENT ADDED"), "duplicate")
            ._replace(name="skryta-kopie-podruhe"),
        post.sample(Letter(
            "oznaceni-plus", LINDQVIST, "Jana Novotná <novotna+veletrh@horizont.example>", "Trade fair in Brno",
            "Dear Jana,\n\nit was a pleasure to meet you at your stand. Could we talk about the portal next week?\n\nGreta Lindqvist\n",
            day=1, at="14:02"), (
            "An address of ours with a +tag is known without it.",
            "Naše adresa s +značkou se pozná i bez ní.")),
        post.sample(Letter(
            "byvaly-kolega", VLCKOVA, BENES, "Jízdní řády na březen",
            "Dobrý den, pane Beneši,\n\nposílám jízdní řády na další měsíc.\n\nVlčková\n", day=1, at="14:30"), (
            "Mail to a colleague who has left is still filed.",
            "E-mail kolegovi, který už odešel, se přesto založí.")),
    ]  # fmt: skip


def _shared(post: Post) -> list[Sample]:
    return [
        post.sample(Letter(
            "na-info", BLAHA, INFO, "Dotaz na elektronickou úřední desku",
            "Dobrý den,\n\nmáte řešení úřední desky pro město s 12 000 obyvateli?\n\nIng. Jaroslav Bláha, tajemník\n",
            day=1, at="15:10"), (
            "Mail to info@ goes to the colleague who answers for it.",
            "E-mail na info@ dostane kolegyně, která za něj odpovídá.")),
        post.sample(Letter(
            "servis-prvni", SIMEK, SERVIS, "Jednotka GPS ve voze 3T8 4411 nehlásí polohu",
            "Dobrý den, vůz 3T8 4411 od včera nehlásí polohu. Zak: Z-118\n\nRadek Šimek, dispečink\n", day=2, at="06:48"), (
            "Mail to servis@ goes to the role's members in turn: the first one …",
            "E-maily na servis@ si členové role berou po řadě: první …")),
        post.sample(Letter(
            "servis-druhy", ZAKOVA, SERVIS, "Tiskárna štítků tiskne nakřivo",
            "Dobrý den, tiskárna na recepci tiskne štítky nakřivo, čistění nepomohlo.\n\nHana Žáková\n", day=2, at="07:15"), (
            "… and the next one.",
            "… a další.")),
        post.sample(Letter(
            "webovy-formular", "Formulář webu <formular@web-horizontu.example>", INFO, "Nová poptávka z webu",
            "Jméno: Miloš Vrba\nZpráva: Zajímá mě školení pro 20 lidí.\n", day=2, at="09:00",
            headers=(("Reply-To", "milos.vrba@schranka.example"),)), (
            "A web form's mail is linked to the person in its Reply-To.",
            "E-mail z webového formuláře se spojí s člověkem z Reply-To.")),
    ]  # fmt: skip


def _written_oddly(post: Post) -> list[Sample]:
    return [
        post.sample(Letter(
            "windows-1250", KOVAR, MALY, "Žluťoučký kůň na etiketě",
            "Dobrý den,\n\npříliš žluťoučký kůň úpěl ďábelské ódy – a tak to taky bude na etiketě Ryzlinku.\n\nKovář\n",
            day=2, at="10:21", charset="windows-1250", encoding="8bit"), (
            "Text in windows-1250, eight bits as they came.",
            "Text v kódování windows-1250, osm bitů tak, jak přišly.")),
        post.sample(Letter(
            "iso-8859-2", TICHA, MALY, "Návrh loga č. 2",
            "Hezký den,\n\npřikládám druhý návrh. Šířku písma jsem zmenšila.\n\nJana Tichá\n",
            day=2, at="11:02", charset="iso-8859-2", files=(File("logo náhled.png", DOT_PNG, "image/png"),)), (
            "Subject and text in iso-8859-2, and a file name with an accent.",
            "Předmět i text v iso-8859-2 a název souboru s diakritikou.")),
        post.sample(Letter(
            "html-a-obrazek", TOM, SVOBODA, "Licence renewal",
            "Hello Petr,\n\nplease renew our licence, Order: 4500012345.\n\nTom Carter\n",
            html='<html><head><style>p{color:#246}</style></head><body><p>Hello Petr,</p><p>please renew our licence, '
            '<b>Order: 4500012345</b>.</p><script>alert("no")</script><p>Tom Carter<br><img src="cid:logo" alt="Bright"></p></body></html>',
            day=2, at="11:45", files=(File("logo.png", DOT_PNG, "image/png", inline="logo"),)), (
            "HTML with a script and a picture: shown safely, filed under the order it names.",
            "HTML se skriptem a obrázkem: ukáže se bezpečně a založí k objednávce, kterou jmenuje.")),
        post.sample(Letter(
            "cizi-skripta", MUELLER, SVOBODA, "Anforderungen für das Portal",
            "Sehr geehrter Herr Svoboda,\n\nanbei unsere Anforderungen. Project: P/2026/7\n\nJürgen Müller\n",
            day=2, at="13:33", charset="utf-8", encoding="base64",
            files=(File("Anforderungen.csv", "Nr;Wunsch\r\n1;Größere Schrift\r\n".encode(), "text/csv"),)), (
            "Base64, a table in the attachment, and a project number with slashes.",
            "Base64, tabulka v příloze a číslo projektu s lomítky.")),
        post.sample(Letter(
            "nezname-cislo", RIHOVA, NOVOTNA, "Faktura k zakázce",
            "Dobrý den,\n\nprosím o kopii faktury. Zakázka: 2019-77\n\nZdeňka Říhová, účtárna\n", day=2, at="14:10"), (
            "A contract number that nobody has assigns nothing and loses nothing.",
            "Číslo zakázky, které nikdo nemá, nic nepřiřadí a nic neztratí.")),
    ]  # fmt: skip


def _filed_with_care(post: Post) -> list[Sample]:
    return [
        post.sample(Letter(
            "novy-clovek", NEW_AT_VLTAVA, CERNA, "Přebírám agendu po kolegovi",
            "Dobrý den,\n\nod pondělí mám na starosti sklad v Týně.\n\nLudmila Nováčková\n", day=2, at="15:00"), (
            "An unknown address of a customer's domain: the customer is suggested.",
            "Neznámá adresa z domény zákazníka: zákazník se navrhne.")),
        post.sample(Letter(
            "duverne", STASTNY, SVOBODA, "Osobní prosba",
            "Dobrý den,\n\nmůžete mi prosím zavolat na soukromé číslo?\n\nI. Šťastný\n", day=3, at="08:05",
            headers=(("Sensitivity", "private"),)), (
            "A mail marked private is seen by the responsible person alone.",
            "E-mail označený jako soukromý vidí jen odpovědná osoba.")),
        post.sample(Letter(
            "s-originalem", ALICE, KRALOVA, "Signed contract",
            "Dear Alena,\n\nplease find our signed contract attached.\n\nAlice Bright\n", day=3, at="09:30",
            files=(File("contract-signed.pdf", PDF),)), (
            "This sender's mail keeps its source as Original.eml.",
            "E-mail tohoto odesílatele si nechá originál jako Original.eml.")),
        post.sample(Letter(
            "zakaznik-problem", SIMEK, KUCERA, "Problém č. 3 - nejde tisk",
            "Dobrý den, tohle je třetí problém tento týden, nejde tisk knihy jízd.\n\nŠimek\n", day=3, at="10:15"), (
            "A customer may write “Problém č. 3”: it is a mail, not our Troubleshooting application.",
            "Zákazník smí napsat „Problém č. 3“: je to e-mail, ne naše aplikace Řešení problémů.")),
        post.sample(Letter(
            "zakaznik-ukol", VRBA, NOVOTNA, "Nový úkol: pošlete mi nabídku školení",
            "Dobrý den, prosím o nabídku školení pro 20 lidí.\n\nVrba\n", day=3, at="10:40"), (
            "A customer's “Nový úkol:” is filed, but makes no task.",
            "„Nový úkol:“ od zákazníka se založí, ale úkol nevznikne."), ("UNKNOWN USER", "PROCESSED"), "new_task"),
        post.sample(Letter(
            "neposilat", TEREZA.replace("tereza@vinarstvi-kovar.example", "tereza.kovarova@schranka.example"), NOVOTNA,
            "Re: NEPOSÍLAT!", "Prosím, na tuto adresu mi už novinky neposílejte.\n\nTereza\n", day=3, at="11:11"), (
            "“Neposílat” takes the permission to mail off the contact.",
            "„Neposílat“ odebere kontaktu souhlas se zasíláním."), rule="opt_out"),
        post.sample(Letter(
            "do-not-send", "nobody@cizi.example", "marketing@horizont.example", "do not send", "Remove me.\n", day=3, at="11:30"), (
            "An opt-out counts even from an address that nobody has, to an address that nobody has.",
            "Odmítnutí platí i z adresy, kterou nikdo nemá, na adresu, kterou nikdo nemá."), ("DELETED",), "unfiled"),
        post.sample(Letter(
            "mimo-kancelar", LINDQVIST, SVOBODA, "Automatic reply: Customer portal",
            "I am out of the office until Monday.\n", day=3, at="12:00", headers=(("Auto-Submitted", "auto-replied"),)), (
            "An automatic reply is filed as done.",
            "Automatická odpověď se založí jako vyřízená.")),
    ]  # fmt: skip
