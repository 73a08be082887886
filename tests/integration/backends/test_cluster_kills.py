"""Nodes that are killed under load: nothing is lost before its first word, and what breaks later says so once."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Routing
from anyclaude.errors import AnyclaudeError
from anyclaude.wire.events import Failed, Finished, TextDelta
from tests.support.killable_node import WORDS, KillableNode

KILLS = 12
SESSIONS = 6


@pytest.fixture
def nodes() -> Iterator[list[KillableNode]]:
    with ExitStack() as stack:
        yield [stack.enter_context(KillableNode()) for _ in range(3)]


def cluster_of(nodes: list[KillableNode]) -> MlxClusterBackend:
    named = tuple(Node(id=f"n{number}", url=node.url) for number, node in enumerate(nodes))
    settings = MlxCluster(
        discovery=Discovery(nodes=named),
        routing=Routing(retry_delay_ms=0),
        health=Health(check_interval_ms=200, timeout_ms=2000),
    )
    return MlxClusterBackend(settings, None, Deadlines())


async def ask(backend: MlxClusterBackend, session: str, begun: asyncio.Event) -> str:
    """What became of one request: `whole`, `cut` after its first word and told so, or why it was lost."""
    request = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": f"I am {session}."}]}
    words = 0
    try:
        async with backend.stream(request, Caller(session)) as batches:
            async for batch in batches:
                begun.set()
                words += sum(isinstance(event, TextDelta) for event in batch)
                if isinstance(batch[-1], Failed):
                    return "cut"
                if isinstance(batch[-1], Finished):
                    return "whole" if words == WORDS else f"{words} words"
    except AnyclaudeError as error:
        return f"lost: {error.message}"
    return "no end"


async def one_kill(backend: MlxClusterBackend, node: KillableNode, number: int) -> list[str]:
    """All sessions ask, and the node dies when the first answer has begun."""
    begun = asyncio.Event()
    asked = [asyncio.create_task(ask(backend, f"s{session}", begun)) for session in range(SESSIONS)]
    await begun.wait()
    await asyncio.to_thread(node.kill)
    outcomes = list(await asyncio.gather(*asked))
    outcomes += [await ask(backend, f"s{session}", begun) for session in range(SESSIONS)]
    await asyncio.to_thread(node.start)
    return outcomes


async def test_nothing_is_lost_before_its_first_word(nodes: list[KillableNode]) -> None:
    backend = cluster_of(nodes)
    outcomes: Counter[str] = Counter()
    try:
        await backend.ready()
        for number in range(KILLS):
            outcomes.update(await one_kill(backend, nodes[number % len(nodes)], number))
    finally:
        await backend.aclose()
    assert set(outcomes) <= {"whole", "cut"}, outcomes
    assert outcomes["whole"] > outcomes["cut"] > 0
