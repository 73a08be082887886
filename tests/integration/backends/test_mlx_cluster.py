"""Several nodes as one backend, on real sockets: who is asked, who is asked next, and what it costs a session."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Routing, Strategy
from anyclaude.errors import Overloaded, SetupError, UpstreamRejected
from anyclaude.wire.events import Failed, TextDelta
from tests.support.journal import Notes
from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Breaks, Refusal, Reply, Says, Usage, Waits, reply


@dataclass
class Cluster:
    backend: MlxClusterBackend
    nodes: list[OpenAIUpstream]

    async def ask(self, session: str | None = "s", text: str = "Hi", journal: Notes | None = None) -> str:
        async with self.backend.stream(request(text), Caller(session, journal=journal or Notes())) as batches:
            events = [event async for batch in batches for event in batch]
        if isinstance(events[-1], Failed):
            raise events[-1].error
        return "".join(event.text for event in events if isinstance(event, TextDelta))

    def counts(self) -> list[int]:
        """Requests at each node."""
        return [len(node.asked) for node in self.nodes]


def request(text: str) -> dict[str, Any]:
    return {
        "model": "m",
        "max_tokens": 100,
        "system": "You help. " * 200,
        "messages": [{"role": "user", "content": text}],
    }


def settings_of(nodes: Sequence[Node], strategy: Strategy = "cache-aware") -> MlxCluster:
    return MlxCluster(
        discovery=Discovery(nodes=tuple(nodes)),
        routing=Routing(strategy=strategy, retry_delay_ms=0),
        health=Health(check_interval_ms=200, timeout_ms=2000),
    )


@asynccontextmanager
async def cluster(size: int = 3, strategy: Strategy = "cache-aware", answer: Any = None) -> AsyncIterator[Cluster]:
    """Nodes that say their number; none of the scripts has to be used up."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(Alike()) for _ in range(size)]
        for number, node in enumerate(nodes):
            node.says = answer or reply(Says(f"node {number}"), usage=Usage(cached=None))
        named = [Node(id=f"n{number}", url=node.url) for number, node in enumerate(nodes)]
        backend = MlxClusterBackend(settings_of(named, strategy), None, Deadlines())
        stack.push_async_callback(backend.aclose)
        await backend.ready()
        yield Cluster(backend, list(nodes))


class Alike(OpenAIUpstream):
    """Answers every request alike."""

    says: Reply | Refusal = reply(Says("Hello"))

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        self.asked.append(asked)
        return self.says


@pytest.mark.parametrize("strategy", ["cache-aware", "round-robin", "least-loaded", "latency-based"])
async def test_every_strategy_answers(strategy: Strategy) -> None:
    async with cluster(strategy=strategy) as nodes:
        for turn in range(6):
            assert (await nodes.ask(f"s{turn}")).startswith("node ")
        assert sum(nodes.counts()) == 6


async def test_a_session_stays_where_its_prompt_is() -> None:
    async with cluster() as nodes:
        answers = [await nodes.ask("mine", f"Turn {turn}") for turn in range(8)]
        assert len(set(answers)) == 1


async def test_new_sessions_spread() -> None:
    async with cluster() as nodes:
        for session in range(9):
            await nodes.ask(f"session {session}")
        assert min(nodes.counts()) >= 2


async def test_round_robin_takes_turns() -> None:
    async with cluster(strategy="round-robin") as nodes:
        for _ in range(9):
            await nodes.ask("mine")
        assert nodes.counts() == [3, 3, 3]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_a_node_that_does_not_take_it_costs_nobody_an_answer(status: int) -> None:
    async with cluster() as nodes:
        home = await nodes.ask("mine")
        failing = nodes.nodes[int(home[-1])]
        failing.says = Refusal(status, "not now")  # type: ignore[attr-defined]
        journal = Notes()
        assert await nodes.ask("mine", journal=journal) != home
        assert [note["failed"] for note in journal.of("fallback")] == [f"n{home[-1]}"]


async def test_a_node_that_breaks_before_its_first_word_costs_nobody_an_answer() -> None:
    async with cluster() as nodes:
        home = await nodes.ask("mine")
        nodes.nodes[int(home[-1])].says = reply(Breaks())  # type: ignore[attr-defined]
        assert await nodes.ask("mine") != home


async def test_what_was_seen_stays_with_its_node() -> None:
    async with cluster(answer=reply(Says("The beginning"), Breaks())) as nodes:
        events = []
        async with nodes.backend.stream(request("Hi"), Caller("s")) as batches:
            events = [event async for batch in batches for event in batch]
        assert isinstance(events[-1], Failed)
        assert sum(nodes.counts()) == 1


async def test_a_wrong_request_is_asked_once() -> None:
    async with cluster(answer=Refusal(400, "messages: must not be empty")) as nodes:
        with pytest.raises(UpstreamRejected, match="must not be empty"):
            await nodes.ask()
        assert sum(nodes.counts()) == 1


async def test_all_full_is_overloaded_which_claude_code_repeats() -> None:
    async with cluster(answer=Refusal(503, "the model is loading")) as nodes:
        with pytest.raises(Overloaded):
            await nodes.ask()
        assert nodes.counts() == [1, 1, 1]


async def test_a_dead_node_is_found_out_and_its_sessions_go_on() -> None:
    async with cluster() as nodes:
        home = int((await nodes.ask("mine"))[-1])
        await nodes.nodes[home]._runner.cleanup()
        others = {await nodes.ask("mine", f"Turn {turn}") for turn in range(5)}
        assert f"node {home}" not in others
        assert len(others) == 1


async def test_a_client_that_leaves_is_no_fault_of_the_node() -> None:
    async with cluster(1, answer=reply(Says("Well"), Waits())) as nodes:
        for _ in range(5):
            async with nodes.backend.stream(request("Hi"), Caller("s")) as batches:
                await anext(batches)
        (member,) = nodes.backend._members
        assert member.in_flight == 0
        assert member.breaker.admits(asyncio.get_running_loop().time())


async def test_nobody_there_says_what_each_node_lacks() -> None:
    named = [Node(id=f"n{number}", url=f"http://127.0.0.1:{port}") for number, port in enumerate((1, 2))]
    backend = MlxClusterBackend(settings_of(named), None, Deadlines())
    with pytest.raises(SetupError, match=r"n0: .*; n1: .*start their workers"):
        await backend.ready()
    await backend.aclose()


async def test_the_smallest_window_counts_since_a_session_may_move() -> None:
    async with cluster(2) as nodes:
        assert (await nodes.backend.ready()).id == "scripted-model"


def test_a_cluster_without_nodes() -> None:
    with pytest.raises(SetupError, match="no node"):
        MlxClusterBackend(MlxCluster(), None, Deadlines())


async def test_every_address_of_a_name_is_a_node() -> None:
    async with Alike() as node:
        node.says = reply(Says("found"))
        port = node.url.split(":")[2].removesuffix("/v1")
        named = (Node(id="macs", url=f"http://localhost:{port}"),)
        backend = MlxClusterBackend(MlxCluster(discovery=Discovery(found_by="dns", nodes=named)), None, Deadlines())
        try:
            assert (await backend.ready()).id == "scripted-model"
            assert await Cluster(backend, [node]).ask() == "found"
        finally:
            await backend.aclose()


async def test_a_fault_of_ours_does_not_end_the_looking_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyclaude.backends.fleet._AFTER_A_FAULT", 0.0)
    async with cluster(1) as nodes:
        fleet, looked = nodes.backend._fleet, asyncio.Event()
        look, faults = fleet._look, iter([ValueError("odd"), OSError("odder")])

        async def faulty() -> None:
            if fault := next(faults, None):
                raise fault
            await look()
            looked.set()

        monkeypatch.setattr(fleet, "_look", faulty)
        fleet.ended()
        async with asyncio.timeout(20):
            await looked.wait()
