"""The cluster on real workers: what they hold is where it is asked for, also when another proxy has put it there."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Strategy
from anyclaude.config.upstreams import Routing as RoutingSettings
from anyclaude.wire.events import Failed, UsageReport
from tests.support import tiny_model
from tests.support.filler import filler
from tests.support.journal import Notes
from tests.support.worker import Worker, real_worker

TURNS = 5


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worker]]:
    model = tiny_model.build(tmp_path_factory.mktemp("model") / "tiny").folder
    with ExitStack() as stack:
        yield [stack.enter_context(real_worker(model)) for _ in range(2)]


@pytest.fixture(autouse=True)
def forgotten(workers: list[Worker]) -> None:
    for worker in workers:
        worker.engine.drop_cache().result(30)


@asynccontextmanager
async def proxy(
    workers: list[Worker], strategy: Strategy = "cache-aware", drained: Collection[str] = ()
) -> AsyncIterator[MlxClusterBackend]:
    """One proxy's view of the cluster. drained: addresses, which may change."""
    nodes = tuple(Node(id=f"n{number}", url=worker.url) for number, worker in enumerate(workers))
    settings = MlxCluster(
        discovery=Discovery(nodes=nodes),
        routing=RoutingSettings(strategy=strategy, retry_delay_ms=0),
        health=Health(check_interval_ms=100, timeout_ms=5000),
    )
    backend = MlxClusterBackend(settings, None, Deadlines(), drained=lambda: drained)
    try:
        await backend.ready()
        yield backend
    finally:
        await backend.aclose()


async def ask(
    backend: MlxClusterBackend, session: str, messages: list[dict[str, Any]], journal: Notes | None = None
) -> UsageReport:
    request = {"model": "m", "max_tokens": 4, "system": filler(2000, "shared"), "messages": messages}
    async with backend.stream(request, Caller(session, journal=journal or Notes())) as batches:
        events = [event async for batch in batches for event in batch]
    assert not isinstance(events[-1], Failed)
    return next(event for event in events if isinstance(event, UsageReport))


async def conversation(backend: MlxClusterBackend, session: str) -> list[UsageReport]:
    """A few turns, each with the ones before it."""
    messages: list[dict[str, Any]] = []
    told = []
    for turn in range(TURNS):
        messages.append({"role": "user", "content": filler(200, f"{session} {turn}")})
        told.append(await ask(backend, session, messages))
        messages.append({"role": "assistant", "content": "Yes."})
    return told


def computed(told: list[UsageReport]) -> int:
    return sum(each.prompt_tokens - each.cached_tokens for each in told)


async def test_each_turn_computes_only_what_is_new(workers: list[Worker]) -> None:
    async with proxy(workers) as backend:
        told = [await conversation(backend, f"s{number}") for number in range(2)]
        for each in told:
            assert computed(each) < 1.1 * each[-1].prompt_tokens


async def test_turns_in_rotation_compute_more(workers: list[Worker]) -> None:
    async with proxy(workers, "round-robin") as backend:
        in_rotation = computed(await conversation(backend, "s"))
    for worker in workers:
        await asyncio.wrap_future(worker.engine.drop_cache())
    async with proxy(workers) as backend:
        assert computed(await conversation(backend, "s")) < 0.7 * in_rotation


async def test_another_proxy_finds_what_the_first_one_left(workers: list[Worker]) -> None:
    async with proxy(workers) as first:
        messages: list[dict[str, Any]] = [{"role": "user", "content": filler(200, "question")}]
        before = await ask(first, "mine", messages)
    async with proxy(workers) as second:
        messages += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Go on."}]
        after = await ask(second, "mine", messages)
    assert after.cached_tokens > 0.8 * before.prompt_tokens


async def test_what_is_asked_for_often_is_computed_ahead_where_it_is_not(workers: list[Worker]) -> None:
    async with proxy(workers) as backend:
        for session in ("a", "b", "c"):
            await ask(backend, session, [{"role": "user", "content": f"I am {session}."}])
        for worker in workers:
            await asyncio.to_thread(worker.until, lambda status: bool(status.cache and status.cache.entries))


async def test_who_is_drained_has_a_successor_that_holds_its_prompts(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anyclaude.cluster.warming.MIN_TOKENS", 100)
    drained: set[str] = set()
    async with proxy(workers, drained=drained) as backend:
        before = Notes()
        first = await ask(backend, "a", [{"role": "user", "content": "I am a."}], before)
        home = before.of("route")[0]["to"]
        number = int(home[-1])
        drained.add(workers[number].url)
        successor = workers[1 - number]
        await asyncio.to_thread(successor.until, lambda status: bool(status.cache and status.cache.entries))
        after = Notes()
        second = await ask(backend, "b", [{"role": "user", "content": "I am b."}], after)
        assert after.of("route")[0]["to"] != home
        assert second.cached_tokens > 0.8 * first.prompt_tokens
