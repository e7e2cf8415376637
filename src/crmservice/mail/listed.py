"""Whether an address is on a list of addresses and domains (``neverFile``, legal holds)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet


def is_listed(address: str, entries: AbstractSet[str]) -> bool:
    """Whether the list has the address itself, its domain, or a domain above it; both in lower case."""
    labels = address.rpartition("@")[2].split(".")
    domains = {".".join(labels[at:]) for at in range(len(labels))}
    return address in entries or not entries.isdisjoint(domains | {f"@{domain}" for domain in domains})
