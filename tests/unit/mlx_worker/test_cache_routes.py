"""What others see of the cache and may do to it, and counting tokens: over ASGI, with an engine that plays scripts."""

from typing import Any

import pytest

from anyclaude.wire.prefix import prefix_hash
from mlx_worker.engine import CachedPrefix, EngineStatus
from mlx_worker.errors import EngineFailure, NotReady
from mlx_worker.events import Failed, Finished
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.prefix_cache import CacheFigures
from mlx_worker.replies import CacheReply, WarmReply
from tests.unit.mlx_worker.asgi import HI, asked, client_of

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
ENTRY = CachedPrefix("h1", "s1", "me", 12, 345, "system", "memory", 1000.5)
OLDER = CachedPrefix("h2", "s2", None, 10, 300, "user", "disk", 900.0)


def engine_with(*entries: CachedPrefix) -> FakeEngine:
    engine = FakeEngine()
    engine.current = EngineStatus("loading", cache=CacheFigures(2, 645, 1000, 22, 70, 100, 3))
    engine.entries = entries
    return engine


async def test_the_cache_says_what_is_in_it() -> None:
    async with client_of(engine_with(ENTRY, OLDER)) as client:
        report = (await client.get("/cache")).json()
    CacheReply.model_validate(report)
    assert (report["bytes"], report["limit"], report["tokens"]) == (645, 1000, 22)
    assert (report["hit_tokens"], report["prompt_tokens"], report["evicted"]) == (70, 100, 3)
    assert report["systemPromptHash"] == "s1"
    assert report["entries"][0] == {
        "hash": "h1",
        "system_hash": "s1",
        "session": "me",
        "tokens": 12,
        "bytes": 345,
        "kind": "system",
        "tier": "memory",
        "last_used": 1000.5,
    }


async def test_health_names_the_system_prompt_that_was_used_last() -> None:
    async with client_of(engine_with(OLDER, ENTRY)) as client:
        assert (await client.get("/health")).json()["cache"]["systemPromptHash"] == "s1"
    async with client_of(engine_with()) as client:
        assert (await client.get("/health")).json()["cache"]["systemPromptHash"] == ""


async def test_emptying_the_cache() -> None:
    async with client_of(engine_with(ENTRY, OLDER)) as client:
        answer = await client.delete("/cache")
        assert (answer.status_code, answer.json()) == (200, {"dropped": 2})
        assert (await client.get("/cache")).json()["entries"] == []


@pytest.mark.parametrize("field", ["system", "systemPrompt", "system_prompt"])
async def test_warming_a_system_prompt(field: str) -> None:
    async with client_of(engine := FakeEngine([Finished("stop", 0)])) as client:
        answer = await client.post("/cache/warm", json={field: "be brief", "tools": [TOOL]})
    assert answer.status_code == 202
    reply = WarmReply.model_validate(answer.json())
    assert (reply.status, reply.cached, reply.system_hash) == ("warming", False, prefix_hash("be brief", [TOOL]))
    (ticket,) = engine.tickets
    assert ticket.generation.warm
    assert ticket.generation.system_hash == reply.system_hash
    assert engine.conversations[0].messages[0] == {"role": "system", "content": "be brief"}
    assert engine.conversations[0].tools == [TOOL]


async def test_warming_a_conversation() -> None:
    async with client_of(engine := FakeEngine([Finished("stop", 0)])) as client:
        reply = (await client.post("/cache/warm", json=HI, headers={"X-Session-Id": "me"})).json()
    assert reply["tokens"] == len(engine.tickets[0].generation.prompt.tokens) - 1 == 1
    assert engine.tickets[0].generation.session == "me"


async def test_asking_twice_computes_once() -> None:
    async with client_of(engine := FakeEngine([])) as client:
        replies = [(await client.post("/cache/warm", json=HI)).json() for _ in range(2)]
        assert replies[0] == replies[1]
        assert len(engine.tickets) == 1
        engine.tickets[0].play(Failed(EngineFailure("no")))
        await client.post("/cache/warm", json=HI)
        assert len(engine.tickets) == 2


async def test_what_is_cached_is_not_computed_again() -> None:
    async with client_of(engine := engine_with(ENTRY)) as client:
        reply = (await client.post("/cache/warm", json=HI)).json()
    assert (reply["status"], reply["cached"]) == ("cached", True)
    assert engine.tickets == []


async def test_warming_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_worker.warming.MOST", 1)
    async with client_of(FakeEngine([])) as client:
        first = await client.post("/cache/warm", json=HI)
        second = await client.post("/cache/warm", json={"system": "one two three four"})
    assert (first.status_code, second.status_code) == (202, 429)


async def test_a_refused_warming_may_be_asked_for_again() -> None:
    engine = FakeEngine([Finished("stop", 0)])
    async with client_of(engine) as client:
        submit = engine.submit
        engine.submit = lambda generation, sink: _refuse()  # type: ignore[method-assign]
        assert (await client.post("/cache/warm", json=HI)).status_code == 503
        engine.submit = submit  # type: ignore[method-assign]
        assert (await client.post("/cache/warm", json=HI)).status_code == 202
        assert len(engine.tickets) == 1


def _refuse() -> Any:
    raise NotReady("leaving")


@pytest.mark.parametrize(
    "body", [{}, {"system": "a", **HI}, {"system": ""}, {"system": 5}, {"messages": []}, {"messages": [{"role": "x"}]}]
)
async def test_what_cannot_be_warmed(body: dict[str, Any]) -> None:
    async with client_of(FakeEngine()) as client:
        assert (await client.post("/cache/warm", json=body)).status_code == 400


@pytest.mark.parametrize(
    ("body", "count"),
    [({"text": "one two three"}, 3), ({"text": ""}, 0), (HI, 2), (HI | {"tools": [TOOL]}, 2)],
)
async def test_counting(body: dict[str, Any], count: int) -> None:
    async with client_of(FakeEngine(context_length=1)) as client:
        answer = await client.post("/tokenize", json=body)
        assert (answer.status_code, answer.json()) == (200, {"count": count})


@pytest.mark.parametrize(("body", "status"), [({}, 400), ({"text": "a", **HI}, 400), ({"text": 1}, 400)])
async def test_what_cannot_be_counted(body: dict[str, Any], status: int) -> None:
    async with client_of(FakeEngine()) as client:
        assert (await client.post("/tokenize", json=body)).status_code == status


async def test_counting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_worker.intake.LONGEST_TEXT", 5)
    async with client_of(FakeEngine()) as client:
        assert (await client.post("/tokenize", json=HI)).status_code == 413


async def test_a_request_carries_who_asks_and_what_it_starts_with() -> None:
    async with client_of(engine := FakeEngine()) as client:
        messages = [{"role": "system", "content": "be brief"}, *HI["messages"]]
        body = {"messages": messages, "tools": [TOOL]}
        await client.post("/v1/chat/completions", json=body, headers={"X-Session-Id": "s/main"})
        await asked(client)
    first, second = (ticket.generation for ticket in engine.tickets)
    assert (first.session, first.system_hash) == ("s/main", prefix_hash("be brief", [TOOL]))
    assert second.session is None
