"""What a running proxy tells of itself, on real sockets: for its token alone, right, and without anybody's secrets."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.backends.router import Router
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.running import running
from anyclaude.config.upstreams import Claude, Discovery, Health, MlxCluster, Node, Routing
from anyclaude.errors import Overloaded, UpstreamBroken
from anyclaude.server.app import Launched
from anyclaude.wire.events import Failed, TextDelta
from tests.support import anthropic_upstream as shapes
from tests.support.clients import ASK, TOKEN, Client, client_of, talking_to
from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Fails, Refusal, Reply, Says, Usage, reply

STATUS = "/anyclaude/status"
CANARY = "canary-of-a-conversation"
MINE = {"X-Claude-Code-Session-Id": "mine"}
NODE_TOKEN = "canary-token-of-the-nodes"


async def status(client: Client) -> dict[str, Any]:
    async with client.get(STATUS) as response:
        assert response.status == 200
        told: dict[str, Any] = await response.json()
    return told


async def samples(client: Client) -> dict[str, float]:
    """Of /metrics, by name and the values of the labels, in the order of their names."""
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    return {
        " ".join((sample.name, *(value for _, value in sorted(sample.labels.items())))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@asynccontextmanager
async def cluster_of(upstreams: Sequence[OpenAIUpstream], interval: int = 60_000, **how: Any) -> AsyncIterator[Client]:
    nodes = tuple(
        Node.model_validate({"id": f"n{number}", "url": one.url, "token": NODE_TOKEN})
        for number, one in enumerate(upstreams)
    )
    settings = MlxCluster(
        discovery=Discovery(nodes=nodes),
        routing=Routing(strategy="round-robin", retry_delay_ms=0),
        health=Health(check_interval_ms=interval),
    )
    backend = MlxClusterBackend(settings, None, Deadlines())
    await backend.ready()
    async with talking_to(Router({"mlx-cluster": backend}, Routes(Target("mlx-cluster"))), **how) as client:
        yield client


@pytest.mark.parametrize("path", [STATUS, "/metrics", "/anyclaude/session/s"])
async def test_only_for_the_token(path: str) -> None:
    async with talking_to(ScriptedBackend()) as client, aiohttp.ClientSession() as stranger:
        for headers in ({}, {"Authorization": "Bearer another"}):
            async with stranger.get(client.url + path, headers=headers) as response:
                assert response.status == 401
                assert "anyclaude_" not in await response.text()
        async with client.session.post(client.url + path) as response:
            assert response.status == 405


async def test_counts_of_streams_and_of_whole_answers() -> None:
    async with talking_to(ScriptedBackend(), launched=Launched("lmstudio")) as client:
        await client.events()
        await client.events()
        async with client.post() as response:
            assert response.status == 200
        async with client.post(messages="wrong") as response:
            assert response.status == 400
        told, figures = await status(client), await samples(client)
    of = told["requests"]["lmstudio"]
    assert told["in_flight"] == {"streams": 0, "whole": 0}
    assert of["outcomes"] == {"complete": 3, "error": 0, "left": 0}
    refused = told["requests"]["none"]  # before a backend was chosen
    assert (refused["outcomes"]["error"], refused["failures"]) == (1, {"400": 1})
    assert [one["error"] for one in told["errors"]] == ["the request was refused"]
    assert of["first_event"]["count"] == 2
    assert sum(count for _, count in of["first_event"]["buckets"]) == 2
    assert figures["anyclaude_requests_total lmstudio complete"] == 3
    assert figures["anyclaude_errors_total none 400"] == 1
    assert figures["anyclaude_first_event_seconds_count lmstudio"] == 2
    assert figures["anyclaude_first_event_seconds_bucket lmstudio +Inf"] == 2
    assert any(name.startswith("anyclaude_info") for name in figures)
    assert not any(name.startswith(("process_", "python_")) for name in figures)


async def test_the_last_turn_of_a_session() -> None:
    """With the tokens as the node counts them, and with nothing that was said."""
    tool = {"name": "Bash", "input_schema": {"type": "object"}}
    ask = {**ASK, "stream": True, "tools": [tool]}
    async with OpenAIUpstream() as upstream, cluster_of([upstream]) as client:
        upstream.script(reply(Says(CANARY), usage=Usage(prompt=1000, cached=900, completion=7)))
        async with client.session.post(f"{client.url}/v1/messages", json=ask, headers=MINE) as response:
            assert response.status == 200
            await response.read()
        async with client.get("/anyclaude/session/mine") as response:
            text = await response.text()
        async with client.get("/anyclaude/session/another") as response:
            other = await response.json()
    told = json.loads(text)
    last = told["last"]
    assert (told["turns"], last["backend"], last["model"]) == (1, "mlx-cluster", "scripted-model")
    assert (last["prompt_tokens"], last["cached_tokens"], last["output_tokens"]) == (1000, 900, 7)
    assert CANARY not in text
    assert (other["backend"], other["turns"], other["last"]) == ("mlx-cluster", 0, None)


async def test_what_is_in_flight_and_who_left() -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend([[TextDelta("one")], gate])
    async with talking_to(backend) as client:
        async with client.post(stream=True) as response:
            await response.content.readany()
            assert (await status(client))["in_flight"] == {"streams": 1, "whole": 0}
            assert (await samples(client))["anyclaude_in_flight stream"] == 1
        await asyncio.wait_for(backend.left.wait(), 10)
        async with asyncio.timeout(10):
            while (told := await status(client))["in_flight"]["streams"]:
                pass
        assert told["requests"]["lmstudio"]["outcomes"]["left"] == 1


class Alike(OpenAIUpstream):
    """Answers every request alike, once it had no room for so many."""

    full = 0
    says = Refusal(503, "full")

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        self.asked.append(asked)
        if len(self.asked) <= self.full:
            return self.says
        return reply(Says("Hi"), usage=Usage(100, 80, 7))


async def test_tokens_nodes_and_retries_of_a_cluster() -> None:
    async with Alike("m") as one, Alike("m") as two:
        one.full = 1
        async with cluster_of([one, two]) as client:
            for _ in range(4):
                await client.events()
            told, figures = await status(client), await samples(client)
        address = one.url.removesuffix("/v1")
    of = told["requests"]["mlx-cluster"]
    assert of["tokens"] == {"prompt": 400, "cached": 320, "output": 28}
    assert (of["retries"], of["fallbacks"]) == (1, 0)
    assert figures["anyclaude_tokens_total mlx-cluster cached"] == 320
    cluster = told["backends"][0]
    assert (cluster["name"], cluster["model"], cluster["strategy"]) == ("mlx-cluster", "m", "round-robin")
    nodes = {node["id"]: node for node in cluster["nodes"]}
    assert nodes["n0"]["address"] == address
    assert {node["breaker"] for node in nodes.values()} == {"closed"}
    assert sum(node["answered"] for node in nodes.values()) == 4
    assert sum(node["tokens"]["cached"] for node in nodes.values()) == 320
    assert all(0 < node["first_token"]["mean"] <= node["first_token"]["p95"] for node in nodes.values())
    assert {"node": "n0", "event": "joined", "count": 1} in cluster["events"]
    assert figures["anyclaude_node_events_total joined n1"] == 1
    assert figures["anyclaude_node_answers_total n0"] + figures["anyclaude_node_answers_total n1"] == 4
    assert figures["anyclaude_node_breaker closed n0"] == 1
    assert figures["anyclaude_node_status healthy n1"] == 1


async def test_a_node_that_fails_and_one_that_goes() -> None:
    async with Alike("m") as one, AsyncExitStack() as stack:
        two = await stack.enter_async_context(Alike("m"))
        one.full, one.says = 100, Refusal(500, "it broke")
        async with cluster_of([one, two], interval=100) as client:
            for _ in range(8):
                await client.events()
            told, figures = await status(client), await samples(client)
            await stack.aclose()
            async with asyncio.timeout(30):
                while "anyclaude_node_events_total lost n1" not in (gone := await samples(client)):
                    pass
    bad, good = told["backends"][0]["nodes"]
    assert (bad["breaker"], bad["failed"], bad["answered"]) == ("open", 3, 0)
    assert bad["lately"] == {"requests": 3, "failures": 3}
    assert bad["first_token"] == {"count": 0, "mean": None, "p95": None}
    assert bad["reason"].startswith("its last requests failed; it is tried again in")
    assert (good["breaker"], good["answered"], good["reason"]) == ("closed", 8, None)
    assert told["requests"]["mlx-cluster"]["retries"] == 3
    assert figures["anyclaude_node_breaker open n0"] == 1
    assert figures["anyclaude_node_failures_total n0"] == 3
    assert gone["anyclaude_node_events_total lost n1"] == 1
    assert gone["anyclaude_node_status unhealthy n1"] == 1


async def test_tokens_of_claude_itself() -> None:
    async with shapes.anthropic_upstream(shapes.says("Hello.")) as upstream:
        backend = ClaudeBackend(Claude(url=upstream.url), Deadlines())
        async with talking_to(Router({"claude": backend}, Routes(Target("claude")))) as client:
            async with client.post(stream=True) as response:
                await response.read()
            async with client.post() as response:
                await response.read()
            told = await status(client)
    assert told["backends"] == [{"name": "claude", "model": None}]
    of = told["requests"]["claude"]
    assert of["outcomes"]["complete"] == 2
    assert of["tokens"] == {"prompt": 884, "cached": 800, "output": 14}
    assert of["first_event"]["count"] == 1


async def test_the_last_errors_in_our_own_words_and_no_more_than_twenty() -> None:
    backend = ScriptedBackend(refusal=Overloaded("no node of the cluster can be asked now"))
    async with talking_to(backend) as client:
        for _ in range(25):
            async with client.post(stream=True) as response:
                assert response.status == 529
        told = await status(client)
    assert len(told["errors"]) == 20
    last = told["errors"][-1]
    assert (last["backend"], last["status"]) == ("lmstudio", 529)
    assert last["error"] == "no node of the cluster can be asked now"


async def test_an_answer_that_breaks_off_is_among_them() -> None:
    backend = ScriptedBackend([[TextDelta("one")], [Failed(UpstreamBroken("the connection broke"))]])
    async with talking_to(backend) as client:
        await client.events()
        told = await status(client)
    assert told["requests"]["lmstudio"]["outcomes"]["error"] == 1
    assert [(one["status"], one["error"]) for one in told["errors"]] == [(200, "the connection broke")]


class Echoing(OpenAIUpstream):
    """Fails in each way in turn, in the words of who asked."""

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        self.asked.append(asked)
        said = f"cannot read {asked.messages[-1]['content']}, nor {NODE_TOKEN}"
        if len(self.asked) < 5:
            return Refusal((400, 500, 503, 401)[len(self.asked) - 1], said)
        return reply(Says("Hm"), Fails(said))


async def test_nobodys_words_and_no_secrets_are_told(tmp_path: Path) -> None:
    """Not of the client, whose request a server repeats, nor tokens, however often something fails."""
    async with Echoing("m") as upstream:
        launched = Launched("mlx-cluster", tmp_path, frozenset({NODE_TOKEN}))
        async with cluster_of([upstream], launched=launched) as client:
            ask = [{"role": "user", "content": CANARY}]
            for _ in range(5):
                async with client.post(stream=True, messages=ask, system=CANARY) as response:
                    await response.read()
            async with client.post(messages=[{"role": CANARY, "content": CANARY}]) as response:
                assert response.status == 400
            told: dict[str, str] = {}
            for path in (STATUS, "/metrics"):
                async with client.get(path) as response:
                    told[path] = await response.text()
    assert len(json.loads(told[STATUS])["errors"]) == 6
    for text in told.values():
        assert [secret for secret in (CANARY, NODE_TOKEN, TOKEN) if secret in text] == []


async def test_it_is_found_while_it_serves(tmp_path: Path) -> None:
    launched = Launched("lmstudio", tmp_path)
    async with talking_to(ScriptedBackend(), launched=launched) as client:
        (found,) = running(tmp_path)
        assert (found.url, found.mode) == (client.url, "lmstudio")
        async with client_of(found.url, found.token) as other:
            assert (await status(other))["pid"] == found.pid
    assert running(tmp_path) == []
    assert list((tmp_path / "proxies").iterdir()) == []
