"""Bounces that say it in words: the manual's two texts (chapter 13), and the forms of known mail servers.

A form is a sentence after which addresses stand at the beginnings of lines, or a sentence that holds the
address itself. New servers are new lines in these tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from crmservice.mail import delivery_status
from crmservice.mail.dsn import ADDRESS, MAX_RECIPIENTS, Recipient, clean_address
from crmservice.mail.text import fold

MAX_TEXT = 64 * 1024
_MAX_LINE = 1000


def _phrase(*phrases: str) -> re.Pattern[str]:
    """Any of the phrases; a space in them is any run of white space, and an apostrophe may be typographic."""
    either = "|".join(phrases).replace(" ", r"\s{1,40}")
    return re.compile(re.sub(r"(?<=\w)'(?=\w)", "['’]", either), re.IGNORECASE | re.MULTILINE)


# The manual ------------------------------------------------------------------------------------------------------

_FAILED_MAIL = _phrase("The following mail failed to be delivered")
_TO_LINE = re.compile(r"^[ \t>]{0,8}To:(.*)$", re.MULTILINE | re.IGNORECASE)
_EACH_ADDRESS = re.compile(ADDRESS)
_BRACKETED = re.compile(rf"^<({ADDRESS})>(?:\s{{1,40}}\(expanded from[^)]{{0,300}}\))?:", re.MULTILINE)


def manual(subject: str, text: str) -> list[Recipient] | None:
    """The recipients of the manual's texts; None where it is neither of them (SPEC chapter 4, rule 8).

    "Undeliverable Mail": the addresses of the ``To:`` lines after the sentence. "Undelivered Mail":
    ``<address>:`` at the beginning of a line.
    """
    folded = fold(subject)
    if "undeliverable mail" in folded:
        sentence = _FAILED_MAIL.search(text)
        if sentence and _TO_LINE.search(text, sentence.end()):
            return _outcomes(_to_lines(text, sentence.end()), text, dead_without_status=True)
    if "undelivered mail" in folded:
        words = fold(text)
        if "message could not" in words and "be delivered to one or more recipients" in words:
            found = ((entry[1], entry.start(), entry.end()) for entry in _BRACKETED.finditer(text))
            return _outcomes(found, text, dead_without_status=True)
    return None


class _Entry(NamedTuple):
    address: str
    start: int
    end: int


def _to_lines(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    for line in _TO_LINE.finditer(text, start):
        for address in _EACH_ADDRESS.findall(line[1]):
            yield address, line.start(), line.end()


# Known servers ---------------------------------------------------------------------------------------------------

# Sentences after which the addresses stand at the beginnings of lines.
_LISTS = (
    _phrase(r"the following address(?:es|\(es\))? failed:?"),  # Exim, mail.ru, GMX, 1&1, MX Logic
    _phrase(r"one or more of its recipients\. This is a permanent error\."),  # Zoho
    _phrase(r"addresses had (?:permanent (?:fatal |delivery )?|fatal |delivery )(?:errors|problems)"),  # sendmail
    _phrase(
        r"(?:unable|not able|failed) to deliver (?:your|the|this|a) (?:message|e-?mail|mail) to the following"
        r" (?:address|recipient|user)",  # Yahoo, MessageLabs
        r"unable to deliver message to the following",  # Yahoo for other domains
        r"wasn't able to deliver (?:your|the following) (?:message|mail)",  # qmail
        r"delivery to the following recipients? (?:has |have )?(?:failed|was aborted)",  # Gmail, Microsoft SMTPSVC
        r"delivery has failed to these recipients",  # Exchange 2007 and later
        r"did not reach the following recipient\(s\)",  # Exchange 2003
        r"the following recipient\(s\) (?:could|can) ?not be (?:reached|delivered)",
        r"recipient(?:s|\(s\)) (?:cannot|can not|could not|did not|were not|was not)\b[^\n:]{0,60}:",  # Courier
        r"(?:cannot|can not|could not) be delivered to the following (?:recipients|addresses)[^\n:]{0,40}:",  # iPlanet
        r"trying to deliver the mail to the following recipients",  # Amazon SES
        r"attempt(?:ed|ing) to (?:send to|deliver a message for) the following (?:address|list of recipients)",
        r"you addressed to email address ?:",  # Mimecast
        r"(?:was not relayed|not delivered|was not delivered) to:?\s*$",  # amavisd, Domino
        r"failed addresses follow:",  # Smail
        r"(?<!-)-{3,80} failure reasons -",  # Lotus Notes SMTP
        r"could not be delivered to one or more (?:destinations|recipients)",  # Postfix
        r"following addresses did not receive a copy",  # MDaemon
        r"here is your list of failed recipients",
        r"the user\(s\) account is (?:disabled|temporarily limited)\.",  # ezweb
        r"the following recipients (?:did not receive|were affected)",  # MailMarshal
        r"following recipients was rejected by a remote mail server",
        r"destination addresses were unknown",
        r"your (?:mail|e-?mail|message) (?:message )?(?:to|was not delivered to) the following (?:address|recipient)",
        r"diagnostic information for administrators:",
        r"以下のメールアドレスへの送信に失敗しました",  # m-FILTER
        r"(?:nepodařilo (?:se )?doručit|nelze doručit|nebylo možné doručit|nebyla doručena)[^\n:]{0,80}:",
        r"doručení těmto příjemcům nebo skupinám selhalo",
    ),
)
# Sentences that hold the address; {} stands for it.
_INLINE = tuple(
    _phrase(sentence.replace("{}", rf"[<'\"]{{0,2}}({ADDRESS})"))
    for sentence in (
        r"there was an error delivering your mail to {}",  # DragonFly
        r"user mailbox exceeds allowed size: {}",  # IMail
        r"invalid final delivery userid: {}",
        r"delivery failed \d{1,4} attempts: {}",
        r"(?:unknown|no such) (?:user|host|recipient|mailbox):? {}",
        r"undeliverable to:? {}",
        r"user's mailbox is full: {}",
        r"(?:unable|failed) to deliver (?:your |the |this )?(?:message|mail|e-?mail)? ?to:? {}",  # MailFoundry, InterScan
        r"returned permanent errors: {}",
        r"rejected recipient {}",
        r"did not reach the following recipient: {}",
        r"(?:message|mail|e-?mail) to:? {}>? (?:was undeliverable|(?:could|can|has|was) ?not(?: been| be)? delivered)",
        r"(?:wasn't delivered|problem delivering your message|could not be delivered) to:? {}",  # Gmail
        r"failed permanently:? {}",
        r"(?:message|mail|e-?mail) to:? {}>? (?:has been|was) (?:blocked|rejected)",
        r"could not be delivered to mobile\b[^@]{0,400}\bTo: {}",  # vzwpix
        r"status: error, address: {}",  # Zoho
        r"(?:na adresu|příjemci) {}>? (?:nebyl|se nepodařilo|nelze)",
    )
)
_LAST_RESORTS = (
    re.compile(rf"^<({ADDRESS})>:[ \t]{{0,8}}$", re.MULTILINE),  # QSBMF (cr.yp.to/proto/qsbmf.txt)
    _phrase(rf"^(?:sent\s)?[>\s]{{0,8}}RCPT TO:\s?<?({ADDRESS})"),  # James, vtext, InterScan, Bigfoot
)
_REPLY_LINES = re.compile(rf"^5\d\d (?:5\.\d\.\d{{1,3}} )?<?({ADDRESS})>?\.\.\.[^\n]*", re.MULTILINE)  # sendmail 5
_ENTRY = re.compile(
    r"^[ \t]{0,40}(?:[*•>-]{1,4}[ \t]{0,8})?(?:Recipient address:|Addressed To:|Recipient:)?[ \t]{0,8}"
    rf"(?:\[?SMTP:)?[\"'<\[]{{0,2}}({ADDRESS})(?=[\"'>\]\s:;,(<]|\.\.\.|\Z)",
    re.MULTILINE | re.IGNORECASE,
)
_RETURNED = re.compile(
    r"^[ \t]{0,8}(?:"
    r"-{1,80}[^\n]{0,40}(?:copy of (?:the|your) message|original m|returned m|forwarded m|message header|header of the original"
    r"|unsent message|mail headers|původní zpráv)"
    r"|-{2,80} ?the header|(?:original message|message headers?|original mail) follows?\b"
    r"|(?:below|included|enclosed) is a copy of the|original message headers:|\|-{2,80}[^\n]{0,10}message text follows"
    r"|záhlaví původní)",
    re.MULTILINE | re.IGNORECASE,
)


def known_server(text: str) -> list[Recipient]:
    """The recipients that a known server's words name; empty where no form fits."""
    for form in _LISTS:
        if sentence := form.search(text):
            entries = ((e[1], e.start(), e.end()) for e in _ENTRY.finditer(text, sentence.end()))
            if found := _outcomes(entries, text):
                return found
    return _by_sentences(_INLINE, text) or _by_replies(text) or _by_sentences(_LAST_RESORTS, text)


def _by_sentences(forms: Iterable[re.Pattern[str]], text: str) -> list[Recipient]:
    for form in forms:
        entries = ((e[1], e.start(), e.end()) for e in form.finditer(text))
        if found := _outcomes(entries, text):
            return found
    return []


def _by_replies(text: str) -> list[Recipient]:
    replies = {clean_address(reply[1]): reply[0] for reply in _REPLY_LINES.finditer(text)}
    return [_judge(address, words, dead_without_status=False) for address, words in replies.items() if address]


def _outcomes(
    found: Iterable[tuple[str, int, int]], text: str, *, dead_without_status: bool = False
) -> list[Recipient]:
    """Each address with what the words up to the next address say; the first word about an address counts."""
    entries = [_Entry(*entry) for entry, _ in zip(found, range(MAX_RECIPIENTS), strict=False)]
    results: dict[str, Recipient] = {}
    following = [entry.start for entry in entries[1:]] + [len(text)]
    for entry, after in zip(entries, following, strict=False):
        address = clean_address(entry.address)
        if address and address not in results:
            words = text[entry.start : min(max(after, entry.end), entry.start + 4000)]
            if len(entries) == 1 and not dead_without_status:
                words += "\n" + text[max(0, entry.start - 2000) : entry.start]  # the reason may stand above
            results[address] = _judge(address, words, dead_without_status=dead_without_status)
    return list(results.values())


def _judge(address: str, words: str, *, dead_without_status: bool) -> Recipient:
    """Only the manual's texts mark an address without a status, and even they not where the words speak against it."""
    status = delivery_status.of_text(words)
    if status.temporary:
        return Recipient(address, "temporary", dead=False)
    if status.code or not dead_without_status:
        return Recipient(address, "failed", status.dead)
    # A reply code alone (550) stands for a policy as well as for an unknown user: then the words decide.
    dead = delivery_status.says_unknown(words) if status.rank else not delivery_status.says_alive(words)
    return Recipient(address, "failed", dead)


def judged(addresses: Iterable[str], words: str) -> list[Recipient]:
    """Addresses that are named apart from the words: each with the words that follow it, else with all."""
    lowered = words.lower()
    found = []
    for address in islice(dict.fromkeys(addresses), MAX_RECIPIENTS):
        at = max(lowered.find(address), 0)
        found.append(_judge(address, words[at : at + 4000], dead_without_status=False))
    return found


def stated(address: str, status: str, *, lasting: bool) -> Recipient:
    """A recipient whose status a server states as data."""
    code = delivery_status.of_field(status)
    if code.temporary or not lasting:
        return Recipient(clean_address(address), "temporary", dead=False)
    return Recipient(clean_address(address), "failed", code.dead)


# Notices ---------------------------------------------------------------------------------------------------------

_DELAY = _phrase(
    r"warning message only",
    r"\b(?:delivery|message|mail)\b[^\n]{0,60}\b(?:has been|is|was|been) delayed",
    r"delivery attempts will continue",
    r"will (?:be retried|keep trying|retry|continue (?:to try|trying))",
    r"(?:still|not yet been) (?:undelivered|delivered)",
    r"could not send (?:mail|message) for past",
    r"temporary (?:failure report|problem delivering)",
    r"you do not need to re-?send",
    r"doručení[^\n]{0,40} (?:zpožděn|odložen)",
)
_DELAY_SUBJECT = _phrase(
    r"\(delay\)",
    r"\bdelayed\b",
    r"^warning(?:: |--)(?:could not|message|e-?mail|delivery)",
    r"\bdelivery delay",
    r"zpožděn",
)


def is_delay(subject: str, text: str) -> bool:
    """Whether the mail only says that delivery takes longer."""
    return bool(_DELAY_SUBJECT.search(subject[:_MAX_LINE]) or _DELAY.search(text[:4000]))


def notice(text: str) -> str:
    """A bounce's own words: what stands above the returned mail, lines and all cut to a bound."""
    text = text[:MAX_TEXT]
    if end := _RETURNED.search(text):
        text = text[: end.start()]
    return "\n".join(line[:_MAX_LINE] for line in text.split("\n"))
