"""Mail that other servers hand over to us by SMTP or LMTP (RFC 5321, RFC 2033), for the box's address alone.

It is no ``Source`` that is asked: senders come when they like, and each waits for its answer. 250 is said only
after the message is durable; whatever goes wrong before that is a 4xx, so that the sender keeps it. A sender that
never heard our 250 sends the message again, and rule 1 calls the second one a duplicate.
"""

from __future__ import annotations

from crmservice.errors import CrmServiceError


class CantListen(CrmServiceError):
    """The box can't take mail by SMTP as it is configured; the text says why. ``notice``: the kind of its notice."""

    notice = "smtp-listen"


class BadCertificate(CantListen):
    """The certificate that the box offers to senders can't be used."""

    notice = "smtp-certificate"
