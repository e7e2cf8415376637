"""Many UIDs in few short lines (RFC 9051, sequence-set)."""

from __future__ import annotations

from collections.abc import Sequence

SPANS = 300
"""Numbers or ranges in a command: a line of at most 7 KB (RFC 9051 section 4: 8,000 octets)."""


def sets(uids: Sequence[int]) -> list[str]:
    """These UIDs in ascending order as sets of a few kilobytes, which any server takes (RFC 9051, sequence-set)."""
    spans: list[list[int]] = []
    for uid in uids:
        if spans and uid == spans[-1][1] + 1:
            spans[-1][1] = uid
        else:
            spans.append([uid, uid])
    texts = [str(first) if first == last else f"{first}:{last}" for first, last in spans]
    return [",".join(texts[start : start + SPANS]) for start in range(0, len(texts), SPANS)]
