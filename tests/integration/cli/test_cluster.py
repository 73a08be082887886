"""`anyclaude cluster` in front of real servers: scripted nodes, and one real worker with a tiny model."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.backends.registry import open_backend
from anyclaude.config.model import Settings
from anyclaude.config.upstreams import Discovery, Health, Node
from mlx_worker.settings import Settings as WorkerSettings
from tests.support import tiny_model
from tests.support.children import ANYCLAUDE, Ended, bare_environment, run
from tests.support.filler import filler
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import Proxy, proxy_only
from tests.support.raw_upstream import Connection, raw_upstream
from tests.support.script import Says, reply
from tests.support.tmux import terminal
from tests.support.worker import Worker, real_worker

TOKEN = "the-secret-of-the-cluster"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    model = tiny_model.build(tmp_path_factory.mktemp("model") / "tiny").folder
    with real_worker(model, settings=WorkerSettings(token=SecretStr(TOKEN))) as started:
        yield started


def nodes(**urls: str) -> str:
    return json.dumps([{"id": name, "url": url, "token": TOKEN} for name, url in urls.items()])


async def cluster(home: Path, *words: str, **urls: str) -> Ended:
    environ = bare_environment(home, COLUMNS="80", NO_COLOR="1", MLX_CLUSTER_NODES=nodes(**urls))
    return await run([*ANYCLAUDE, "cluster", *words], environ, home, 30)


async def status(home: Path, **urls: str) -> dict[str, Any]:
    ended = await cluster(home, "status", "--json", **urls)
    told = json.loads(ended.stdout)
    assert ended.exit_code == (0 if told["ready"] else 1)
    return {node["node"]: node for node in told["nodes"]}


async def hangs(connection: Connection) -> None:
    await connection.gone()


async def test_every_node_is_a_line_whatever_it_answers(worker: Worker, tmp_path: Path) -> None:
    async with OpenAIUpstream("other-model") as other, raw_upstream(hangs) as silent:
        seen = await status(tmp_path, ours=worker.url, other=other.url, silent=silent.url, gone="http://127.0.0.1:9")
    assert {name: node["state"] for name, node in seen.items()} == (
        {"ours": "ready", "other": "ready", "silent": "lost", "gone": "lost"}
    )
    assert seen["ours"]["context_length"] > 0
    assert (seen["other"]["model"], seen["other"]["cached_tokens"]) == ("other-model", None)
    assert seen["silent"]["problem"] == "it does not answer within 5 s"
    assert seen["gone"]["problem"].startswith("nothing answers at http://127.0.0.1:9")


async def test_the_screen_fits_80_columns(worker: Worker, tmp_path: Path) -> None:
    ended = await cluster(tmp_path, "status", ours=worker.url, gone="http://127.0.0.1:9")
    assert (ended.exit_code, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].strip() == "1 of 2 nodes is ready"
    assert TOKEN not in ended.stdout


async def test_a_wrong_token_is_told_apart(worker: Worker, tmp_path: Path) -> None:
    nodes = json.dumps([{"id": "ours", "url": worker.url, "token": "another-secret-of-this-test"}])
    environ = bare_environment(tmp_path, COLUMNS="200", MLX_CLUSTER_NODES=nodes)
    ended = await run([*ANYCLAUDE, "cluster", "status"], environ, tmp_path, 30)
    assert ended.exit_code == 1
    assert "locked" in ended.stdout
    assert "it does not take our token" in ended.stdout


async def test_a_proxy_asks_nothing_of_a_node_that_does_not_take_its_token(worker: Worker, tmp_path: Path) -> None:
    async with OpenAIUpstream("m") as other:
        proxy = opened(tmp_path, worker.url, other.url)
        other.script(*(reply(Says("Hi")) for _ in range(3)))
        try:
            await proxy.ready()
            for turn in range(3):
                await ask(proxy, f"s{turn}")
        finally:
            await proxy.aclose()
        assert len(other.asked) == 3


async def test_without_nodes_it_says_where_to_name_them(tmp_path: Path) -> None:
    for words in (["status"], ["status", "--json"], ["drain", "a"]):
        ended = await run([*ANYCLAUDE, "cluster", *words], bare_environment(tmp_path), tmp_path, 30)
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert ended.stderr == (
            "anyclaude: the cluster has no node; name some in MLX_CLUSTER_NODES or mlx-cluster.json\n"
        )


async def test_a_prompt_is_computed_ahead(worker: Worker, tmp_path: Path) -> None:
    worker.engine.drop_cache().result(30)
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(filler(1000, "prompt"))
    async with OpenAIUpstream() as other:
        ended = await cluster(tmp_path, "warm", "--prompt", str(prompt), ours=worker.url, other=other.url)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "other: it is no mlx_worker, so it cannot be told to compute ahead",
        "ours: computes it when it has nothing else to do",
    ]
    worker.until(lambda status: bool(status.cache and status.cache.entries and not status.warming))
    assert (await status(tmp_path, ours=worker.url))["ours"]["cached_tokens"] > 500
    messages = [{"role": "system", "content": prompt.read_text()}, {"role": "user", "content": "Hi"}]
    with worker.client() as client:
        body = {"messages": messages, "max_tokens": 1}
        answer = client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"] > 500


async def test_what_cannot_be_warmed_is_said(worker: Worker, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("You help.")
    (tmp_path / "empty.txt").write_text("\n")
    for words, said in (
        ([], "say what to compute ahead with --prompt FILE"),
        (["--prompt", "nowhere.txt"], "nowhere.txt cannot be read: No such file"),
        (["--prompt", "empty.txt"], "empty.txt is empty"),
        (["--prompt", "prompt.txt"], "no node is ready"),
    ):
        ended = await cluster(tmp_path, "warm", *words, gone="http://127.0.0.1:9")
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"anyclaude: {said}")


async def test_running_proxies_follow_a_drain(tmp_path: Path) -> None:
    """Two proxies know two nodes by their own names for them."""
    async with OpenAIUpstream("m") as one, OpenAIUpstream("m") as two:
        urls = {"one": one.url, "two": two.url}
        proxies = [opened(tmp_path, one.url, two.url) for _ in range(2)]
        try:
            await asyncio.gather(*(proxy.ready() for proxy in proxies))
            drained = await cluster(tmp_path, "drain", "one", **urls)
            assert (drained.exit_code, drained.stderr) == (0, "")
            assert {name: node["state"] for name, node in (await status(tmp_path, **urls)).items()} == (
                {"one": "drained", "two": "ready"}
            )
            two.script(*(reply(Says("two")) for _ in range(8)))
            for turn in range(8):
                await ask(proxies[turn % 2], f"s{turn}")
            assert (len(one.asked), len(two.asked)) == (0, 8)
            back = await cluster(tmp_path, "undrain", "one", **urls)
            assert (back.exit_code, back.stdout) == (0, "one is asked again\n")
            one.script(reply(Says("one")), reply(Says("one")))
            two.script(reply(Says("two")), reply(Says("two")))
            for turn in range(4):
                await ask(proxies[turn % 2], f"t{turn}")
            assert (len(one.asked), len(two.asked)) == (2, 10)
        finally:
            await asyncio.gather(*(proxy.aclose() for proxy in proxies))


def opened(home: Path, *urls: str) -> MlxClusterBackend:
    chosen = tuple(Node(id=f"node {number}", url=url) for number, url in enumerate(urls))
    cluster = {"discovery": Discovery(nodes=chosen), "health": Health(check_interval_ms=60_000)}
    settings = Settings.model_validate(
        {"mode": "mlx-cluster", "home": home / ".anyclaude"}
        | {"backends": {"mlx_cluster": cluster | {"routing": {"strategy": "round-robin"}}}}
    )
    backend = open_backend("mlx-cluster", settings)
    assert isinstance(backend, MlxClusterBackend)
    return backend


async def ask(backend: MlxClusterBackend, session: str) -> None:
    tool = {"name": "Read", "description": "reads", "input_schema": {"type": "object", "properties": {}}}
    request = {"model": "m", "max_tokens": 9, "tools": [tool], "messages": [{"role": "user", "content": session}]}
    async with backend.stream(request, Caller(session)) as batches:
        async for _ in batches:
            pass


async def test_what_is_drained_or_not_is_said(tmp_path: Path) -> None:
    urls = {"one": "http://127.0.0.1:9", "two": "http://127.0.0.1:19"}
    first = await cluster(tmp_path, "drain", "one", **urls)
    again = await cluster(tmp_path, "drain", "one", **urls)
    last = await cluster(tmp_path, "drain", "two", **urls)
    assert [each.exit_code for each in (first, again, last)] == [0, 0, 0]
    assert again.stdout == "one is drained already\n"
    assert "all are drained now" not in first.stdout
    assert "all are drained now" in last.stdout
    unknown = await cluster(tmp_path, "drain", "three", **urls)
    assert (unknown.exit_code, unknown.stderr) == (2, "anyclaude: there is no node 'three'; there is one, two\n")
    forgotten = await cluster(tmp_path, "undrain", "one", two=urls["two"])
    assert (forgotten.exit_code, forgotten.stdout) == (0, "one is asked again\n")
    never = await cluster(tmp_path, "undrain", "one", **urls)
    assert (never.exit_code, never.stderr) == (2, "anyclaude: 'one' is not drained; two is\n")
    another = await cluster(tmp_path, "undrain", "two", two="http://127.0.0.1:29")
    assert another.exit_code == 2


async def test_watching_shows_what_changes_until_it_is_ended(tmp_path: Path) -> None:
    async with OpenAIUpstream("m") as one:
        environ = bare_environment(tmp_path, MLX_CLUSTER_NODES=nodes(one=one.url))
        async with terminal([*ANYCLAUDE, "cluster", "status", "--watch"], environ, tmp_path) as screen:
            await screen.until("1 of 1 nodes is ready")
            assert (await cluster(tmp_path, "drain", "one", one=one.url)).exit_code == 0
            shown = await screen.until("0 of 1 nodes are ready")
            assert "drained" in shown
            assert "1 of 1" not in shown
            await screen.press("C-c")
            ended = await screen.until("settings kept")
            assert "ended with 1" in ended
            assert "Traceback" not in ended


async def whole(proxy: Proxy, session: str) -> str:
    """A streamed answer, as a client of the proxy gets it."""
    tool = {"name": "Read", "description": "reads", "input_schema": {"type": "object", "properties": {}}}
    messages = [{"role": "user", "content": session}]
    body = {"model": "m", "max_tokens": 9, "stream": True, "tools": [tool], "messages": messages}
    headers = {"authorization": f"Bearer {proxy.token}", "x-claude-code-session-id": session}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return (await client.post(f"{proxy.url}/v1/messages", json=body, headers=headers)).text


async def test_what_running_proxies_see_is_shown_together(worker: Worker, tmp_path: Path) -> None:
    files = tmp_path / ".anyclaude" / "proxies"
    environ = {"MLX_CLUSTER_NODES": nodes(ours=worker.url)}
    async with (
        proxy_only(tmp_path, "mlx-cluster", **environ) as one,
        proxy_only(tmp_path, "mlx-cluster", **environ) as two,
    ):
        for proxy in (one, two):
            assert "message_stop" in await whole(proxy, "s")
        told = await said(tmp_path, ours=worker.url)
        (node,) = told["nodes"]
        assert told["proxies"] == 2
        assert (node["by_proxies"]["requests"], node["by_proxies"]["failures"]) == (2, 0)
        assert (node["by_proxies"]["breaker"], node["by_proxies"]["active"]) == ("closed", 0)
        assert 0 < node["first_token"]["mean"] <= node["first_token"]["p95"]
        assert node["first_token"]["seen_by"] == "proxies"
        screen = (await cluster(tmp_path, "status", ours=worker.url)).stdout
        assert "breakers as 2 running proxies see them" in screen
        assert "closed" in screen
        for proxy in (one, two):
            assert proxy.token not in screen
            assert proxy.token not in json.dumps(told)
        assert one.token not in await two.end()
        assert [file.name.partition("-")[0] for file in files.iterdir()] == [str(one.pid)]
        assert (await said(tmp_path, ours=worker.url))["proxies"] == 1
    after = await said(tmp_path, ours=worker.url)  # the first was killed, and left its file
    assert after["proxies"] == 0
    assert list(files.iterdir()) == []
    (node,) = after["nodes"]
    assert (node["by_proxies"], node["first_token"]["seen_by"]) == (None, "node")
    assert 0 < node["first_token"]["mean"] <= node["first_token"]["p95"]


async def said(home: Path, **urls: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((await cluster(home, "status", "--json", **urls)).stdout)
    return told


async def test_watching_goes_on_when_a_proxy_ends(tmp_path: Path) -> None:
    async with OpenAIUpstream("m") as one:
        environ = {"MLX_CLUSTER_NODES": nodes(one=one.url)}
        async with proxy_only(tmp_path, "mlx-cluster", **environ) as proxy:
            watching = terminal(
                [*ANYCLAUDE, "cluster", "status", "--watch"], bare_environment(tmp_path, **environ), tmp_path
            )
            async with watching as screen:
                await screen.until(lambda seen: "as a running proxy sees them" in seen and "closed" in seen)
                await proxy.end()
                alone = ("no running proxy uses the cluster", "1 of 1 nodes is ready")
                shown = await screen.until(lambda seen: all(words in seen for words in alone))
                assert "closed" not in shown
                await screen.press("C-c")
                assert "Traceback" not in await screen.until("settings kept")


async def test_watching_needs_a_terminal(tmp_path: Path) -> None:
    ended = await cluster(tmp_path, "status", "--watch", one="http://127.0.0.1:9")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("anyclaude: --watch needs a terminal")
