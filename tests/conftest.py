"""What every test shares: the newer SQLite before Django, no clock in hypothesis, no word with the outside world."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hypothesis import settings

from crmservice import bootstrap

if TYPE_CHECKING:
    import pytest

bootstrap.prepare()

# A test fails for what it states, never for how long a busy machine took.
settings.register_profile("house", deadline=None, print_blob=True)
# CI says whether this source holds; looking for new examples is for people's machines.
settings.register_profile("ci", parent=settings.get_profile("house"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "house")


class OutsideWorld(RuntimeError):
    """A test tried to reach another machine; tests speak to servers of their own on the loopback alone."""


def pytest_configure(config: pytest.Config) -> None:
    """Run without the developer's own configuration, and close the way out."""
    for name in [name for name in os.environ if name.startswith("CRMSERVICE_")]:
        del os.environ[name]
    close_the_way_out()


def close_the_way_out() -> None:
    """Let a connection or a look-up that leaves this machine raise OutsideWorld.

    No audit hook: CPython 3.11 asks hooks while it installs a thread's trace function, and a thread that begins meanwhile
    dies of it (python/cpython#98257).
    """
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _inside(getattr(socket.socket, name)))
    socket.getaddrinfo = _looked_up_inside(socket.getaddrinfo)


def _inside(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: object) -> Any:
        if isinstance(address, tuple) and not is_local(str(address[0])):
            raise OutsideWorld(f"connection to {address[0]}")
        return connect(self, address)

    return guarded


def _looked_up_inside(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: object, *arguments: Any, **named: Any) -> Any:
        if not is_local(_text(host)):
            raise OutsideWorld(f"look-up of {host}")
        return look_up(host, *arguments, **named)

    return guarded


def is_local(host: str) -> bool:
    """Whether the host is this machine: a loopback address, a name for it, or the any-address of a listener."""
    if host in ("", "None", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _text(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
