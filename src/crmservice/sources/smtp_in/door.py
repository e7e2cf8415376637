"""Who may come in: peers of the allowed networks, so many of them at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar

from crmservice.sources.smtp_in.terms import Peer, Terms

Guest = TypeVar("Guest")

STRANGER = "554 5.7.1 Access denied: this address may not deliver here"
FULL = "421 4.3.2 Too many connections, try again later"
FULL_OF_YOU = "421 4.7.0 Too many connections from your address, try again later"
REFUSALS = (STRANGER, FULL, FULL_OF_YOU)


def peer_of(host: str) -> Peer:
    """The address of a peer; an IPv4 peer of an IPv6 socket is what it is (RFC 4291 section 2.5.5.2)."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class Door(Generic[Guest]):
    """Knows who is inside. Whoever entered leaves once, however often that is told. ``empty`` is set while nobody is."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._networks = [ip_network(network) for network in terms.box.smtp_listen_networks]
        self.inside: dict[Guest, Peer] = {}
        self.empty = asyncio.Event()
        self.empty.set()
        self._from: Counter[Peer] = Counter()

    def refusal(self, peer: Peer) -> str:
        """Why this peer may not come in now, as a reply; empty where it may."""
        if not any(peer in network for network in self._networks):
            return STRANGER
        if len(self.inside) >= self._terms.connections:
            return FULL
        return FULL_OF_YOU if self._from[peer] >= self._terms.each else ""

    def enter(self, who: Guest, peer: Peer) -> None:
        """Somebody came in."""
        self.empty.clear()
        self.inside[who] = peer
        self._from[peer] += 1

    def leave(self, who: Guest) -> None:
        """Somebody left."""
        peer = self.inside.pop(who, None)
        if peer is not None:
            self._from[peer] -= 1
            if not self._from[peer]:
                del self._from[peer]
        if not self.inside:
            self.empty.set()
