"""What senders are held to: who may deliver, to whom, how much, and how long we wait for them."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from crmservice.config import Box
from crmservice.crm.directory import without_tag

Peer = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one box. ``spool`` is the folder for messages too large for memory.

    Seconds: ``idle`` for the next command, and for the next bytes of a message while little comes (RFC 5321 section
    4.5.3.2.7 asks for five minutes at least); ``storing`` for a message to become durable (a sender waits ten
    minutes, section 4.5.3.2.6); ``farewell`` for what is at hand when the service ends, which is looked for every
    ``watch``. ``connections`` at once in all, ``each`` of them from one address; ``fruitless`` transactions and
    refused recipients in a row.
    """

    box: Box
    spool: Path
    idle: float = 300.0
    storing: float = 600.0
    farewell: float = 5.0
    watch: float = 0.25
    connections: int = 100
    each: int = 50
    fruitless: int = 50
    hostname: str = field(default_factory=socket.gethostname)

    def is_ours(self, recipient: str) -> bool:
        """Whether this is the box's address, in any case and with any +tag."""
        return without_tag(recipient.lower(), self.box.our_domains) == self.box.email

    def must_encrypt(self, peer: Peer) -> bool:
        """Whether this peer has to use TLS: whatever crosses a line, unless the box allows it in the clear."""
        return not (peer.is_loopback or self.box.allow_insecure)
