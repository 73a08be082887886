"""Names become the addresses that the system knows, and what is no name is an error of its kind."""

import socket
from typing import Any

import pytest

from anyclaude.backends.names import Names


async def test_localhost() -> None:
    found = await Names().resolve("localhost", 81, socket.AF_INET)
    assert [(one["host"], one["port"], one["hostname"]) for one in found][:1] == [("127.0.0.1", 81, "localhost")]


async def test_an_address_of_one_link_keeps_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 81, 0, 1))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    (one,) = await Names().resolve("studio.local", 81, socket.AF_UNSPEC)
    assert one["host"].startswith("fe80::1%")
    assert one["port"] == 81


async def test_a_name_that_leads_nowhere() -> None:
    with pytest.raises(socket.gaierror):
        await Names().resolve("no-such-host.invalid", 81)


async def test_what_is_no_name() -> None:
    with pytest.raises(UnicodeError):
        await Names().resolve("a" * 300 + ".example", 81)
