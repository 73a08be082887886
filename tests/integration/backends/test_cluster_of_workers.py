"""The cluster on real workers: what they hold is where it is asked for, also when another proxy has put it there."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Strategy
from anyclaude.config.upstreams import Routing as RoutingSettings
from anyclaude.wire.events import Failed, UsageReport
from mlx_worker.engine import EngineStatus
from tests.support import tiny_model
from tests.support.filler import filler
from tests.support.journal import Notes
from tests.support.worker import Worker, real_worker

TURNS = 5
LOOKS = 6000
TOOLS = [
    {
        "name": name,
        "description": filler(100, name),
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    }
    for name in ("Read", "Write", "Edit")
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_model.build(tmp_path_factory.mktemp("model") / "tiny").folder
    _switch_in_system_prompt(folder / "chat_template.jinja")
    return folder


@pytest.fixture(scope="module")
def workers(model: Path) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        yield [stack.enter_context(real_worker(model)) for _ in range(2)]


def _switch_in_system_prompt(template: Path) -> None:
    """Some models are told at the very beginning whether to think."""
    text, start = template.read_text(), "<|im_start|>system\n"
    assert start in text
    template.write_text(text.replace(start, start + "{{ 'Think.' if enable_thinking else 'Be quick.' }} ", 1))


@pytest.fixture(autouse=True)
def forgotten(workers: list[Worker]) -> None:
    for worker in workers:
        worker.engine.drop_cache().result(30)


@pytest.fixture(scope="module")
def narrow(model: Path) -> Iterator[list[Worker]]:
    """Two workers that compute one request at a time, and let two more wait."""
    with ExitStack() as stack:
        yield [stack.enter_context(real_worker(model, max_batch=1, max_queue=2)) for _ in range(2)]


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
    backend: MlxClusterBackend,
    session: str,
    messages: list[dict[str, Any]],
    journal: Notes | None = None,
    **fields: Any,
) -> UsageReport:
    request = {"model": "m", "max_tokens": 4, "system": filler(2000, "shared"), "messages": messages, **fields}
    async with backend.stream(request, Caller(session, journal=journal or Notes())) as batches:
        events = [event async for batch in batches for event in batch]
    assert not isinstance(events[-1], Failed)
    return next(event for event in events if isinstance(event, UsageReport))


async def _told_by_one_of(workers: list[Worker], session: str) -> None:
    """Wait for a worker to list what it holds of a session: it does so when nothing has come for a moment."""
    for _ in range(LOOKS):
        if any(held.session == session for worker in workers for held in worker.engine.prefixes()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"no worker ever listed {session}")


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
    return sum(each.prompt_tokens - (each.cached_tokens or 0) for each in told)


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
    await _told_by_one_of(workers, "mine/main")
    async with proxy(workers) as second:
        messages += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Go on."}]
        after = await ask(second, "mine", messages)
    assert (after.cached_tokens or 0) > 0.8 * before.prompt_tokens


@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}])
async def test_what_is_asked_for_twice_is_computed_ahead_elsewhere_and_found_there(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch, thinking: dict[str, Any]
) -> None:
    monkeypatch.setattr("anyclaude.cluster.warming.MIN_TOKENS", 100)
    fields: dict[str, Any] = {"tools": TOOLS, "thinking": thinking}
    async with proxy(workers) as backend:
        journal = Notes()
        for text in ("Hello", "Go on"):
            before = await ask(backend, "a", [{"role": "user", "content": text}], journal, **fields)
        (home,) = {int(note["to"][-1]) for note in journal.of("route")}
        other = workers[1 - home]
        await asyncio.to_thread(other.until, _has_warmed)
    async with proxy([other]) as backend:
        after = await ask(backend, "b", [{"role": "user", "content": "I am b."}], **fields)
    assert (after.cached_tokens or 0) > 0.95 * before.prompt_tokens


def _has_warmed(status: EngineStatus) -> bool:
    return bool(status.cache and status.cache.entries and not status.warming)


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
        await asyncio.to_thread(successor.until, _has_warmed)
        after = Notes()
        second = await ask(backend, "b", [{"role": "user", "content": "I am b."}], after)
        assert after.of("route")[0]["to"] != home
        assert (second.cached_tokens or 0) > 0.8 * first.prompt_tokens


async def test_more_requests_than_the_workers_take_are_all_answered(narrow: list[Worker]) -> None:
    async with proxy(narrow) as one, proxy(narrow) as other:
        asked = [
            asyncio.create_task(ask(backend, f"s{number}", [{"role": "user", "content": f"I am {number}."}]))
            for number in range(12)
            for backend in (one, other)
        ]
        queues = [backend._queue for backend in (one, other)]
        longest = 0
        while not all(task.done() for task in asked):
            longest = max(longest, *map(len, queues))
            await asyncio.wait(asked, timeout=0.01)
        await asyncio.gather(*asked)
    assert longest >= 4, "six fit: the others waited"
    assert [len(queue) for queue in queues] == [0, 0]
    finished = [worker.engine.status().finished for worker in narrow]
    assert sum(finished) == 24
    assert min(finished) >= 6
