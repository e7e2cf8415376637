"""Tokens that ask nobody."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FixedToken:
    """Always the same token; what servers would not take is noted."""

    value: str
    refusals: list[str] = field(default_factory=list)

    def __call__(self) -> str:
        """The token."""
        return self.value

    def refused(self, token: str) -> None:
        """Note it."""
        self.refusals.append(token)
