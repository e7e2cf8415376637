"""What goes wrong with an IMAP server, and how it is told."""

from __future__ import annotations

import imaplib
from collections.abc import Sequence

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError, ProtocolError

from crmservice.sources import CHECK_SERVER, TRIED_AGAIN, Mailbox, SourceError, oauth_advice, quotable, says
from crmservice.sources.imap import saying
from crmservice.sources.imap.bounded import breach_under
from crmservice.tls import explain
from crmservice.words import Words, joined

TROUBLE = (
    IMAPClientError, imaplib.IMAP4.error, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    RuntimeError,
)  # fmt: skip
"""What the libraries raise over a server's nonsense: brackets within brackets without end are a RecursionError."""


def told(
    error: Exception, doing: Words, mailbox: Mailbox, secrets: Sequence[str], *, of_folder: bool = False
) -> SourceError:
    """An error of the libraries in words for people, without secrets; ``of_folder``: it came of opening the folder."""
    if isinstance(error, OSError):
        return mailbox.fault(doing, explain(error))
    if breach := breach_under(error):
        why = breach.words if breach.permanent else joined("; ", (breach.words, CHECK_SERVER))
        return mailbox.fault(doing, why, permanent=breach.permanent)
    if isinstance(error, imaplib.IMAP4.readonly):
        return mailbox.fault(doing, Words("it is open for reading only; let the login delete in it"))
    if isinstance(error, ProtocolError) or not isinstance(error, IMAPClientError | imaplib.IMAP4.error):
        return mailbox.fault(doing, joined("; ", (Words("its answer can't be understood"), CHECK_SERVER)))
    said = quotable(saying.said(error), secrets)
    if said == saying.ENDED:
        return mailbox.fault(doing, explain(ConnectionResetError()))
    advice = _advice(error, mailbox, of_folder=of_folder)
    if advice is None or saying.will_pass(said):
        return mailbox.fault(doing, says(said, CHECK_SERVER if advice is None else TRIED_AGAIN))
    return mailbox.fault(doing, says(said, advice), permanent=True)


def _advice(error: Exception, mailbox: Mailbox, *, of_folder: bool) -> Words | None:
    """What to correct where the server refuses the login or the folder; None where something else is wrong."""
    if isinstance(error, LoginError):
        login = Words("check imapName and imapPassword")
        return oauth_advice("IMAP.AccessAsApp") if mailbox.login.oauth else login
    if of_folder and not isinstance(error, IMAPClientAbortError):
        return Words("check imapFolder, and that the login may read and delete in it")
    return None
