"""Tokens are counted by whoever will compute them; where nobody counts, they are estimated, and nobody waits."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Caller
from anyclaude.backends.chat import ChatBackend
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.backends.node import NodeBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, LMStudio, MlxCluster, Node
from anyclaude.wire.events import UsageReport
from tests.support import tiny_model
from tests.support.llamacpp import STRICT_TOOLS, llamacpp
from tests.support.raw_upstream import Connection, raw_upstream, whole
from tests.support.worker import real_worker

ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 1,
    "system": "You list files.",
    "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}],
    "messages": [{"role": "user", "content": "List the files, please."}],
}


async def counted_and_computed(backend: ChatBackend) -> tuple[int, int]:
    await backend.ready()
    count = await backend.count_tokens(ASK)
    async with backend.stream(ASK, Caller()) as batches:
        events = [event async for batch in batches for event in batch]
    return count, next(event for event in events if isinstance(event, UsageReport)).prompt_tokens


@pytest.mark.timeout(300)
async def test_llamacpp_counts(tmp_path: Path) -> None:
    async with llamacpp(tmp_path, 2048, STRICT_TOOLS) as url:
        backend = LMStudioBackend(LMStudio(url=url), None, Deadlines())
        count, computed = await counted_and_computed(backend)
        await backend.aclose()
    assert count == computed


async def test_a_worker_counts(tmp_path: Path) -> None:
    with real_worker(tiny_model.build(tmp_path / "tiny").folder) as worker:
        backend = NodeBackend(Node(id="n", url=worker.url), None, Deadlines())
        count, computed = await counted_and_computed(backend)
        await backend.aclose()
    assert count == computed


@pytest.mark.parametrize(
    "answer", ['{"error": "Unexpected endpoint or method."}', "[]", "no JSON", '{"input_tokens": 0}']
)
async def test_where_nobody_counts_it_is_estimated_and_not_asked_each_time(answer: str) -> None:
    """LM Studio answers 200 to what it does not know."""

    async def play(connection: Connection) -> None:
        assert "input_tokens" in connection.head.partition("\r\n")[0]
        await connection.send(whole(200, answer.encode(), content_type="application/json"))

    long = {**ASK, "messages": [{"role": "user", "content": "word " * 2000}]}
    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        first = await backend.count_tokens(long)
        assert 1000 < first < 5000
        assert await backend.count_tokens(long) == first
        assert len(upstream.requests) == 1
        await backend.aclose()


async def test_a_cluster_without_a_node_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude Code makes fourteen requests of a count that fails."""

    def refused(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("anyclaude.backends.mdns.AsyncZeroconf", refused)
    discovery, health = Discovery(found_by="mdns", key=SecretStr("k" * 32)), Health(timeout_ms=100)
    backend = MlxClusterBackend(MlxCluster(discovery=discovery, health=health), None, Deadlines())
    count = await backend.count_tokens({**ASK, "messages": [{"role": "user", "content": "word " * 2000}]})
    await backend.aclose()
    assert 1000 < count < 5000
