"""A cluster whose nodes are full, on real sockets: who waits, who goes first, and who is told that it will not be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.cluster.fair_queue import PLACES, SMALL_PLACES
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Routing
from anyclaude.errors import Overloaded
from anyclaude.wire.events import Failed, TextDelta
from tests.support.journal import Notes
from tests.support.narrow_node import NarrowNode


@dataclass
class Busy:
    backend: MlxClusterBackend
    nodes: Sequence[NarrowNode]
    asked: dict[str, asyncio.Task[str]] = field(default_factory=dict)

    @property
    def let_in(self) -> list[str]:
        return [text for node in self.nodes for text in node.let_in]

    def ask(self, *texts: str, journal: Notes | None = None) -> None:
        """Each in a task: `a1` is a question of session a, in capitals a small one."""
        for text in texts:
            self.asked[text] = asyncio.create_task(_answer(self.backend, text, journal or Notes()))

    def waiting(self) -> int:
        return len(self.backend._queue)

    async def until(self, reached: Callable[[], bool]) -> None:
        await self.nodes[0].until(reached)

    async def ask_in_order(self, *texts: str) -> None:
        """One after the other, each when the one before it waits."""
        for text in texts:
            before = self.waiting()
            self.ask(text)
            await self.until(lambda before=before: self.waiting() > before)  # type: ignore[misc]

    async def answer(self, *texts: str) -> None:
        """Have questions answered in this order, each when it has been let in."""
        for text in texts:
            await self.until(lambda text=text: text in self.let_in)  # type: ignore[misc]
            next(node for node in self.nodes if text in node.let_in).answer(text)
            assert await self.asked[text] == f"answer to {text}"


async def _answer(backend: MlxClusterBackend, text: str, journal: Notes) -> str:
    request: dict[str, Any] = {
        "model": "m",
        "max_tokens": 100,
        "system": "You help.",
        "messages": [{"role": "user", "content": text}],
    }
    if text[0].isupper():
        request["tools"] = []
    async with backend.stream(request, Caller(text[0].lower(), journal=journal)) as batches:
        events = [event async for batch in batches for event in batch]
    if isinstance(events[-1], Failed):
        raise events[-1].error
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@asynccontextmanager
async def busy(
    *nodes: NarrowNode, wait: float = 60.0, probed: float = 0.1, fallback: tuple[str, ...] = ()
) -> AsyncIterator[Busy]:
    """A cluster of these nodes. Seconds: wait: that a request may; probed: between two probes."""
    async with AsyncExitStack() as stack:
        for node in nodes:
            await stack.enter_async_context(node)
        settings = MlxCluster(
            discovery=Discovery(nodes=tuple(Node(id=f"n{n}", url=node.url) for n, node in enumerate(nodes))),
            routing=Routing(retry_delay_ms=0, max_wait_ms=int(1000 * wait)),
            health=Health(check_interval_ms=int(1000 * probed), timeout_ms=2000),
            fallback=fallback,
        )
        backend = MlxClusterBackend(settings, None, Deadlines())
        stack.push_async_callback(backend.aclose)
        await backend.ready()
        found = Busy(backend, nodes)
        yield found
        for task in found.asked.values():
            task.cancel()
        await asyncio.gather(*found.asked.values(), return_exceptions=True)


async def test_who_finds_all_nodes_full_waits_and_is_answered_in_turns() -> None:
    async with busy(NarrowNode()) as cluster:
        cluster.ask("x1")
        await cluster.until(lambda: cluster.let_in == ["x1"])
        await cluster.ask_in_order("a1", "a2", "a3", "b1", "c1")
        await cluster.answer("x1", "a1", "b1", "c1", "a2", "a3")
        assert cluster.let_in == ["x1", "a1", "b1", "c1", "a2", "a3"]
        assert cluster.waiting() == 0
        assert cluster.nodes[0].refused == 1, "the first one found out, nobody had to ask after it"


async def test_a_small_one_goes_before_large_ones() -> None:
    async with busy(NarrowNode()) as cluster:
        cluster.ask("x1")
        await cluster.until(lambda: cluster.let_in == ["x1"])
        await cluster.ask_in_order("a1", "b1", "C1", "C2")
        await cluster.answer("x1", "C1", "a1", "C2", "b1")
        assert cluster.let_in == ["x1", "C1", "a1", "C2", "b1"]


async def test_a_full_node_sends_its_requests_to_another_one_that_has_room() -> None:
    async with busy(NarrowNode(1), NarrowNode(3)) as cluster:
        cluster.ask("a1", "b1", "c1", "d1")
        await cluster.until(lambda: len(cluster.let_in) == 4)
        assert cluster.waiting() == 0


async def test_one_place_that_is_kept_is_given_to_small_ones_alone() -> None:
    async with busy(NarrowNode(4)) as cluster:
        cluster.ask("a1", "b1", "c1", "d1")
        await cluster.until(lambda: len(cluster.let_in) == 4)
        await cluster.ask_in_order("e1", "f1")
        first, second, *_ = cluster.let_in
        await cluster.answer(first)
        assert cluster.waiting() == 2
        cluster.ask("G1")
        await cluster.until(lambda: "G1" in cluster.let_in)
        await cluster.ask_in_order("H1")
        assert cluster.waiting() == 3
        await cluster.answer("G1", "H1")
        assert cluster.waiting() == 2
        await cluster.answer(second, "e1", "f1")


async def test_one_place_that_frees_sends_one_request() -> None:
    async with busy(NarrowNode(2)) as cluster:
        cluster.ask("x1", "y1")
        await cluster.until(lambda: len(cluster.let_in) == 2)
        await cluster.ask_in_order(*(f"{name}1" for name in "abcdefgh"))
        refused = cluster.nodes[0].refused
        await cluster.answer("x1", "a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "y1")
        assert cluster.nodes[0].refused == refused


async def test_after_the_time_that_a_node_asked_for_one_tries_and_then_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anyclaude.backends.cluster_queue._LONGEST", 1000.0)
    async with busy(NarrowNode(0, retry_after=1), probed=1000.0) as cluster:
        await cluster.ask_in_order("a1", "b1", "c1")
        cluster.nodes[0].places = 3
        await cluster.until(lambda: len(cluster.let_in) == 3)
        await cluster.answer("a1", "b1", "c1")


async def test_who_has_waited_for_long_enough_is_told_so() -> None:
    async with busy(NarrowNode(0), wait=0.05) as cluster:
        cluster.ask("a1")
        with pytest.raises(Overloaded, match=r"busy, and none had room within 0 s; add a node"):
            await cluster.asked["a1"]
        assert cluster.waiting() == 0


@pytest.mark.parametrize(("name", "places"), [("a", PLACES), ("A", SMALL_PLACES)])
async def test_the_queue_has_a_bound(name: str, places: int) -> None:
    async with busy(NarrowNode(0)) as cluster:
        cluster.ask(*(f"{name}{number}" for number in range(places)))
        await cluster.until(lambda: cluster.waiting() == places)
        cluster.ask(f"{name}more")
        with pytest.raises(Overloaded, match=f"{places} requests wait already"):
            await cluster.asked[f"{name}more"]


async def test_a_client_that_leaves_waits_no_more() -> None:
    async with busy(NarrowNode()) as cluster:
        cluster.ask("x1")
        await cluster.until(lambda: cluster.let_in == ["x1"])
        await cluster.ask_in_order("a1", "b1", "c1")
        cluster.asked["a1"].cancel()
        await asyncio.gather(cluster.asked["a1"], return_exceptions=True)
        assert cluster.waiting() == 2
        await cluster.answer("x1", "b1", "c1")
        assert "a1" not in cluster.let_in


async def test_a_client_that_leaves_just_before_its_turn_is_passed_over() -> None:
    async with busy(NarrowNode()) as cluster:
        cluster.ask("x1")
        await cluster.until(lambda: cluster.let_in == ["x1"])
        await cluster.ask_in_order("a1", "b1")
        cluster.nodes[0].places = 2
        cluster.backend._routing.standing("n0").places.held = 2
        cluster.asked["a1"].cancel()
        cluster.backend._queue.look()
        await cluster.answer("b1", "x1")
        assert cluster.let_in == ["x1", "b1"]


async def test_a_client_that_leaves_in_the_moment_of_its_turn_gives_it_to_the_next() -> None:
    async with busy(NarrowNode()) as cluster:
        cluster.ask("x1")
        await cluster.until(lambda: cluster.let_in == ["x1"])
        await cluster.ask_in_order("a1", "b1")
        queue, look = cluster.backend._queue, cluster.backend._queue.look

        def look_and_leave() -> None:
            look()
            if len(queue) == 1:
                cluster.asked["a1"].cancel()

        cluster.backend._sender.on_change = look_and_leave
        await cluster.answer("x1", "b1")
        assert cluster.let_in == ["x1", "b1"]
        (member,) = cluster.backend._members
        await cluster.until(lambda: member.in_flight == 0)


@pytest.mark.parametrize("retry_after", [None, 1])
async def test_a_503_is_waited_for_when_it_says_how_long(retry_after: int | None) -> None:
    async with busy(NarrowNode(0, retry_after, status=503)) as cluster:
        cluster.ask("a1")
        if retry_after is None:
            with pytest.raises(Overloaded, match="full"):
                await cluster.asked["a1"]
            return
        await cluster.until(lambda: cluster.waiting() == 1)
        cluster.nodes[0].places = 1
        await cluster.answer("a1")


async def test_when_all_nodes_are_down_nobody_waits() -> None:
    async with busy(NarrowNode(0), NarrowNode(0)) as cluster:
        await cluster.ask_in_order("a1", "b1")
        for node in cluster.nodes:
            await node._runner.cleanup()
        for text in ("a1", "b1"):
            with pytest.raises(Overloaded, match="no node of the cluster can be asked now"):
                await cluster.asked[text]
        assert cluster.waiting() == 0


async def test_with_a_fallback_nobody_waits() -> None:
    async with busy(NarrowNode(0), fallback=("lmstudio",)) as cluster:
        cluster.ask("a1")
        with pytest.raises(Overloaded, match="busy"):
            await cluster.asked["a1"]


async def test_the_wait_is_told_to_the_trace() -> None:
    async with busy(NarrowNode()) as cluster:
        cluster.ask("x1")
        await cluster.until(lambda: cluster.let_in == ["x1"])
        journal = Notes()
        cluster.ask("a1", journal=journal)
        await cluster.until(lambda: cluster.waiting() == 1)
        await cluster.answer("x1", "a1")
        (waited,) = journal.of("queue")
        assert waited["seconds"] > 0


async def test_a_session_comes_home_after_its_home_was_full() -> None:
    async with busy(NarrowNode(9), NarrowNode(9)) as cluster:
        cluster.ask("a1")
        await cluster.until(lambda: len(cluster.let_in) == 1)
        await cluster.answer("a1")
        home = next(node for node in cluster.nodes if node.let_in)
        home.places = 0
        cluster.ask("a2")
        await cluster.answer("a2")
        assert home.let_in == ["a1"]
        home.places = 9
        cluster.backend._routing.standing(f"n{cluster.nodes.index(home)}").places.held = None
        cluster.ask("a3")
        await cluster.answer("a3")
        assert home.let_in == ["a1", "a3"]
