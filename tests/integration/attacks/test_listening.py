"""Who can be reached from where: the proxy from this machine alone, a worker from others only with a real secret."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from anyclaude.config.model import Settings
from mlx_worker.command import main
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import proxy_only


def listening(pid: int) -> set[str]:
    """The addresses at which a process and its children accept."""
    one = psutil.Process(pid)
    every = [one, *one.children(recursive=True)]
    return {
        connection.laddr.ip
        for process in every
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN or connection.type == 2
    }


async def test_the_proxy_listens_on_loopback_and_nowhere_else(tmp_path: Path) -> None:
    others = {"HOST": "0.0.0.0", "ANYCLAUDE_HOST": "0.0.0.0", "MLX_HOST": "0.0.0.0", "BIND": "0.0.0.0"}
    async with OpenAIUpstream() as upstream, proxy_only(tmp_path, LMSTUDIO_URL=upstream.url, **others) as proxy:
        assert await asyncio.to_thread(listening, proxy.pid) == {"127.0.0.1"}


def test_no_setting_would_bind_it_elsewhere() -> None:
    assert not [name for name in Settings.model_fields if "host" in name or "bind" in name or "listen" in name]


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("token", [None, "", "   ", "a", "fifteen letters"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "studio.local", "127.0.0.1.evil.example"])
def test_a_worker_that_others_reach_needs_a_secret_that_nobody_guesses(
    host: str, token: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if token is not None:
        monkeypatch.setenv("MLX_WORKER_TOKEN", token)
    assert main(["--host", host, "--fetch-only"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    wanted = "set MLX_WORKER_TOKEN to a random text of at least 16 characters"
    assert told.err == f"mlx_worker: {host} is open to other machines: {wanted}\n"
