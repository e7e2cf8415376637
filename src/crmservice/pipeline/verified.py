"""Whether a mail's sender is verified, for the box it came to and the way it came (SPEC chapter 7)."""

from __future__ import annotations

from crmservice.config import Box, Endpoint, Login
from crmservice.mail import trust
from crmservice.mail.trust import MICROSOFT
from crmservice.pipeline.rule import Reading

MICROSOFT_MAIL = "outlook.office365.com"
"""Where the mailboxes of Microsoft 365 are read over POP3 and IMAP (Microsoft, "POP, IMAP, and SMTP settings")."""

_UNTOLD = ("", "migrated", "restored")
"""Rows that do not tell which way their mail came: found in a backup, by this service's or the original's own."""


def sender_verified(reading: Reading, box: Box, source: str = "") -> bool:
    """Whether one of our servers vouches for the sender. ``source``: the row's, empty where it is not known.

    Of a mail inside a journal report what is written on it counts only if the report is our own system's: anybody
    can put a mail with any headers into something that looks like a report.
    """
    ids = _believed(box, source)
    report = reading.report
    if report is not None:
        sender = report.sender
        if sender is None or sender.domain not in box.our_domains or not trust.sender_verified(report, ids):
            return False
    return trust.sender_verified(reading.message, ids)


def _believed(box: Box, source: str) -> tuple[str, ...]:
    """The box's authservIds; ``microsoft`` only where the mail was fetched from the tenant, which alone removes forged ones."""
    if from_tenant(box, source):
        return box.authserv_ids
    return tuple(name for name in box.authserv_ids if name != MICROSOFT)


def from_tenant(box: Box, source: str = "") -> bool:
    """Whether a mail of this source was fetched from the box's Microsoft mailbox.

    Where the row does not tell, or there is none (a mail to be explained): whether the box has such a mailbox.
    """
    of_tenant = {
        "graph": bool(box.graph_mailbox),
        "pop3": _at_microsoft(box.pop3, box.pop3_login),
        "imap": _at_microsoft(box.imap, box.imap_login),
    }
    return any(of_tenant.values()) if source in _UNTOLD else of_tenant.get(source, False)


def _at_microsoft(server: Endpoint | None, login: Login | None) -> bool:
    """By the server's name, or by OAuth2: tokens come by MicrosoftOAuth.json alone, also in the national clouds."""
    return server is not None and (server.host.lower() == MICROSOFT_MAIL or (login is not None and login.oauth))
