"""Asking running proxies: only one that is what its file says is believed, and none holds up the others."""

import os
from dataclasses import replace
from pathlib import Path

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.cli.proxies import ask_proxies
from anyclaude.config.running import Running, listed, running
from anyclaude.server.app import Launched
from tests.support.clients import TOKEN, talking_to
from tests.support.raw_upstream import Connection, raw_upstream


async def hangs(connection: Connection) -> None:
    await connection.gone()


async def lies(connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b'{"pid": 1}')
    await connection.gone()


async def test_those_that_run_say_how_they_are(tmp_path: Path) -> None:
    launched = Launched("lmstudio", tmp_path)
    async with (
        talking_to(ScriptedBackend(), launched=launched) as one,
        talking_to(ScriptedBackend(), launched=launched) as two,
    ):
        await two.events()
        told = {each.proxy.url: each.status for each in await ask_proxies(tmp_path)}
    assert set(told) == {one.url, two.url}
    assert told[one.url]["requests"] == {}
    assert told[two.url]["requests"]["lmstudio"]["outcomes"]["complete"] == 1
    assert await ask_proxies(tmp_path) == []


async def test_whoever_is_not_that_proxy_is_passed_over(tmp_path: Path) -> None:
    """Another program has its address: one that wants another token, one that says nothing, one that lies."""
    file = Running(os.getpid(), "http://127.0.0.1:9", 1.0, "mlx-cluster", "the-token-of-another-launch")
    async with (
        talking_to(ScriptedBackend()) as other,
        raw_upstream(hangs) as silent,
        raw_upstream(lies) as liar,
    ):
        addresses = [other.url, silent.url.removesuffix("/v1"), liar.url.removesuffix("/v1"), file.url]
        for url in addresses:
            with listed(tmp_path, replace(file, url=url)):
                assert [found.url for found in running(tmp_path)] == [url]
                assert await ask_proxies(tmp_path, seconds=0.5) == []
        with listed(tmp_path, replace(file, url=other.url, token=TOKEN)):
            assert [one.proxy.url for one in await ask_proxies(tmp_path)] == [other.url]
