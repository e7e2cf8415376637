"""Bounces: which addresses a mail says have failed, and which of them are dead (manual 13; SPEC chapter 4, rule 8).

A standard report wins over the manual's texts, these over the forms of known servers; flufl.bounce comes last.
"""

from __future__ import annotations

import json
import re
from email.message import Message as EmailMessage
from typing import Literal

from crmservice.mail import bounce_texts, dsn, report_parts
from crmservice.mail.dsn import Recipient
from crmservice.mail.message import Bounce, Message
from crmservice.mail.report_parts import Part

MAX_IDS = 20
"""Message-IDs of the returned mail that are kept."""
Source = Literal["manual", "rfc3464", "provider"]

_DAEMON = re.compile(
    r"mailer[-_ ]?daemon|mdaemon|po{1,2}st_?master|mail[. -]deliver|(?:mail|system) administrator|smtp_mail_service"
    r"|@sns\.amazonaws\.com|<\s*>\s*$",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|non[- ]?deliver|returned mail|delivery (?:has )?fail|delivery status|delivery notification|failure notice"
    r"|mail (?:delivery )?(?:system )?(?:failed|failure|error)|could not be delivered|not delivered|returning message"
    r"|nedoru[cč]|nelze doru[cč]it",
    re.IGNORECASE,
)
# Subjects as servers write them; a person's begins Re: or Fwd:.
_SERVER_SUBJECT = re.compile(
    r"\s*(?:undeliver(?:able|ed)|non[- ]?delivery|returned mail|(?:permanent |mail )?delivery (?:status|failure|notification"
    r"|failed)|failure notice|mail (?:failure|system error)|nedoru[cč]iteln)",
    re.IGNORECASE,
)
_NULL_PATH = re.compile(r"\s*(?:<\s*>|<?mailer-daemon|<null>)", re.IGNORECASE)
_MESSAGE_ID = re.compile(
    r"^[ \t]{0,8}(?:X-Original-|X-Gmail-Original-)?Message-ID[ \t]{0,8}:\s{0,8}<([^<>\s]{1,900})>",
    re.IGNORECASE | re.MULTILINE,
)


def find(message: Message) -> Bounce | None:
    """What a bounce says of its recipients, or None where the mail is no bounce; never raises, linear.

    Given up with 4.x.x, and a mere delay, is a bounce that is not ``permanent`` and has no failed address.
    """
    by_server = _is_from_server(message)
    if by_server is None:
        return None
    parts = report_parts.split(message.raw)
    if any(part.kind == "message/feedback-report" for part in parts):
        return None
    return _read(message, parts, by_server=by_server)


def _is_from_server(message: Message) -> bool | None:
    """The gate that ordinary mail fails at once: a mail server's own mail, only a bounce's subject, or None."""
    headers = message.headers
    content_type = headers.first("content-type").lower()
    if "multipart/report" in content_type:
        return None if "feedback-report" in content_type or "disposition-notification" in content_type else True
    if headers.all("x-failed-recipients"):
        return True
    if any(_NULL_PATH.match(value) for value in headers.all("return-path")):
        return True
    if any(_DAEMON.search(value[:500]) for value in headers.all("from")):
        return True
    subject = message.subject[:500]
    return bool(_SERVER_SUBJECT.match(subject)) if _SUBJECT.search(subject) else None


def _read(message: Message, parts: list[Part], *, by_server: bool) -> Bounce | None:
    """Reports and the manual's texts count whoever sends them; other words only where a server wrote them."""
    ids = _quoted_ids(parts)
    own = [part for part in parts if not part.returned]
    reported = _reported(own, in_text=by_server)
    if reported and any(recipient.address or recipient.outcome != "failed" for recipient in reported):
        return _bounce(reported, "rfc3464", ids)
    words = _words(message, own)
    manual = bounce_texts.manual(message.subject, words)
    if manual:
        return _bounce(manual, "manual", ids)
    if by_server and (found := _by_server(message, parts, words, ids)):
        return found
    if manual is not None:
        return Bounce((), (), permanent=False, source="manual", quoted_ids=ids)
    is_report = any(part.kind == "message/delivery-status" for part in own)
    return Bounce((), (), permanent=False, source="rfc3464", quoted_ids=ids) if is_report else None


def _by_server(message: Message, parts: list[Part], words: str, ids: tuple[str, ...]) -> Bounce | None:
    if bounce_texts.is_delay(message.subject, words):
        return Bounce((), (), permanent=False, source="provider", quoted_ids=ids)
    if nested := _reported_within(parts):
        return _bounce(nested, "rfc3464", ids)
    found = _provider(message, words)
    return _bounce(found, "provider", ids) if found else None


def _bounce(recipients: list[Recipient], source: Source, ids: tuple[str, ...]) -> Bounce | None:
    """None where the report only says that the mail was delivered."""
    if all(recipient.outcome == "other" for recipient in recipients):
        return None
    failed = [recipient for recipient in recipients if recipient.outcome == "failed" and recipient.address]
    addresses = tuple(dict.fromkeys(recipient.address for recipient in failed))
    dead = tuple(dict.fromkeys(recipient.address for recipient in failed if recipient.dead))
    return Bounce(addresses[: dsn.MAX_RECIPIENTS], dead, permanent=bool(addresses), source=source, quoted_ids=ids)


# Reports ---------------------------------------------------------------------------------------------------------


def _reported(own: list[Part], *, in_text: bool) -> list[Recipient]:
    """The recipients of the report; where no part is one, of a report that stands in the text."""
    found = dsn.recipients(part.text for part in own if part.kind.startswith("message/") and "status" in part.kind)
    if found or not in_text:
        return found
    return dsn.recipients(part.text for part in own if not part.kind.startswith("message/"))


def _reported_within(parts: list[Part]) -> list[Recipient]:
    """The recipients of a report that is wrapped in another mail, as some gateways send it on."""
    found = dsn.recipients(part.text for part in parts if part.returned and part.kind == "message/delivery-status")
    return found if any(recipient.address for recipient in found) else []


def _quoted_ids(parts: list[Part]) -> tuple[str, ...]:
    """The Message-IDs named below the mail's own header, without brackets."""
    found: dict[str, None] = {}
    for part in parts:
        for match in _MESSAGE_ID.finditer(part.text):
            found.setdefault(match[1])
            if len(found) == MAX_IDS:
                return tuple(found)
    return tuple(found)


# Words -----------------------------------------------------------------------------------------------------------


def _words(message: Message, own: list[Part]) -> str:
    """The bounce's own words; as the reader gave them where the parts have none."""
    texts = [part.text for part in own if part.kind.startswith(("text/", "multipart/"))]
    if not any(text.strip() for text in texts):
        texts = [message.text]
    return "\n".join(filter(None, map(bounce_texts.notice, texts)))[: bounce_texts.MAX_TEXT]


def _provider(message: Message, words: str) -> list[Recipient]:
    return _sns(message) or bounce_texts.known_server(words) or _announced(message, words) or _library(message, words)


def _announced(message: Message, words: str) -> list[Recipient]:
    """``X-Failed-Recipients``, as Exim and Gmail write it."""
    values = ",".join(message.headers.all("x-failed-recipients"))[:64_000]
    addresses = filter(None, map(dsn.clean_address, values.split(",")))
    return bounce_texts.judged(addresses, words)


def _sns(message: Message) -> list[Recipient]:
    """Amazon SES by way of SNS: the notification as JSON (SES developer guide, "Amazon SNS notification contents")."""
    if "@sns.amazonaws.com" not in message.raw_from or "bouncedRecipients" not in message.text:
        return []
    reader = json.JSONDecoder(strict=False)  # mail servers fold long lines inside its texts
    try:
        outer, _ = reader.raw_decode(message.text[: bounce_texts.MAX_TEXT].strip())
        content = reader.decode(outer["Message"]) if "Message" in outer else outer
        entries = content["bounce"]["bouncedRecipients"][: dsn.MAX_RECIPIENTS]
        lasting = content["bounce"]["bounceType"] == "Permanent"
        return [
            bounce_texts.stated(str(entry["emailAddress"]), str(entry.get("status", "")), lasting=lasting)
            for entry in entries
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


# The library -----------------------------------------------------------------------------------------------------

_LIBRARY_TEXT = 32 * 1024
_LIBRARY_LINES = 500
_LIBRARY_LINE = 200


def _library(message: Message, words: str) -> list[Recipient]:
    """What flufl.bounce recognises in the words; never our side's own addresses.

    It gets a mail made of these words alone: some of its patterns are quadratic in a line, it raises on a
    mail without From, and it would read the report again.
    """
    from flufl.bounce import all_failures  # of no use to any mail but a bounce

    ours = {address.email for address in (*message.to, *message.cc)} | {message.sender.email if message.sender else ""}
    try:
        _temporary, failed = all_failures(_for_library(message, words))
    except Exception:  # noqa: BLE001 - a fault of the library means that it recognised nothing
        return []
    addresses = sorted(filter(None, (dsn.clean_address(found.decode("utf-8", "replace")) for found in failed)))
    return bounce_texts.judged((address for address in addresses if address not in ours), words)


def _for_library(message: Message, words: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = message.sender.email if message.sender else "mailer-daemon@localhost"
    lines = (line[:_LIBRARY_LINE] for line in words[:_LIBRARY_TEXT].split("\n")[:_LIBRARY_LINES])
    mail.set_payload("\n".join(lines).encode("ascii", "replace").decode("ascii"))
    return mail
