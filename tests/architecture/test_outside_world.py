"""No test can speak to another machine."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.conftest import is_local


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "", "None"])
def test_this_machine_may_be_spoken_to(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "example.com", "2001:db8::1"])
def test_another_may_not(host: str) -> None:
    assert not is_local(host)


def test_a_connection_to_another_machine_is_stopped() -> None:
    with socket.socket() as outside, pytest.raises(RuntimeError, match=r"connection to 192\.0\.2\.1"):
        outside.connect(("192.0.2.1", 25))


def test_no_other_way_of_connecting_is_open() -> None:
    outside = ("192.0.2.1", 25)
    with socket.socket() as one, pytest.raises(RuntimeError, match=r"connection to 192\.0\.2\.1"):
        one.connect_ex(outside)
    with pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        socket.create_connection(outside)
    with pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        asyncio.run(asyncio.open_connection(*outside))


def test_a_look_up_of_another_machine_is_stopped() -> None:
    with pytest.raises(RuntimeError, match=r"look-up of mail\.example\.com"):
        socket.getaddrinfo("mail.example.com", 25)


def test_a_server_of_our_own_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
