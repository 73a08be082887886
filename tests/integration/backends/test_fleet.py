"""Looking after the nodes: whoever hangs, leaves or answers oddly holds up none of the others."""

import asyncio
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.node import NodeBackend
from anyclaude.cluster.discovery import Forgotten, Found, Known
from anyclaude.cluster.warming import Warm
from anyclaude.config.upstreams import Node
from anyclaude.wire.events import Failed, Finished
from tests.support.played_nodes import SECONDS, Player, chunk, fleet_of, says_the_end
from tests.support.raw_upstream import Connection


async def test_a_node_that_hangs_delays_no_probe_of_another() -> None:
    hanging, well = Player(hangs=("/health",)), Player()
    async with fleet_of(hanging, well):
        await hanging.until("/health")
        await well.until("/health", 4)
        assert hanging.asked == ["/health"]


async def test_who_is_drained_is_followed_while_a_node_hangs() -> None:
    hanging, well = Player(hangs=("/health",)), Player()
    drained: set[str] = set()
    async with fleet_of(hanging, well, drained=lambda: drained) as fleet:
        await hanging.until("/health")
        await well.until("/health", 2)
        drained.add(fleet.urls[1].removesuffix("/v1"))
        await well.again("/health", 2)
        member = fleet.backend._members.get("n1")
        assert member is not None
        assert member.drained


async def test_a_node_that_hangs_while_it_computes_ahead_is_probed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    player = Player(hangs=("/cache/warm",))
    async with fleet_of(player) as fleet:
        await player.until("/cache")
        warms = iter([Warm("n0", "prefix", 3000, "test")])
        monkeypatch.setattr(fleet.backend._routing, "next_warm", lambda nodes, now: next(warms, None))
        prefix = fleet.backend._names.of({"system": "You help.", "messages": []})
        monkeypatch.setattr(fleet.backend._fleet, "_prefix", lambda name: prefix)
        await player.until("/cache/warm")
        await player.until("/cache", 3)
        assert player.asked.count("/cache/warm") == 1


async def test_closing_ends_what_is_under_way() -> None:
    hanging = Player(hangs=("/health",))
    async with fleet_of(hanging) as fleet:
        await hanging.until("/health")
        await fleet.backend.aclose()
        async with asyncio.timeout(SECONDS):
            await hanging.gone.wait()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith(("errand", "cluster"))]


async def test_a_fault_of_ours_in_one_probe_is_a_miss_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    report = NodeBackend.report

    async def faulty(node: NodeBackend, seconds: float) -> Any:
        return 1 / 0 if node.node.id == "n0" else await report(node, seconds)

    monkeypatch.setattr(NodeBackend, "report", faulty)
    async with fleet_of(Player(), Player()) as fleet:
        assert [node.node.id for node in await fleet.backend._fleet.ready()] == ["n1"]
        assert (
            "n0: it does not answer: its answer cannot be read (ZeroDivisionError)" in fleet.backend._fleet.why_nobody()
        )
    assert "the answer of node n0 to a probe cannot be read" in caplog.text


async def test_what_a_node_answers_after_it_has_left_is_not_told_of_its_successor() -> None:
    late, well = Player(hangs=("/health",)), Player()
    async with fleet_of(late, well) as fleet:
        await late.until("/health")
        found = Found(Node(id="n0", url=fleet.urls[0]))
        again = Found(Node(id="n0", url=fleet.urls[1]))
        fleet.backend._fleet._changed([Forgotten(found), Known(again)])
        async with asyncio.timeout(SECONDS):
            await late.gone.wait()  # its probe was ended with it
        async with asyncio.timeout(SECONDS):
            await fleet.backend._fleet.ready()
        member = fleet.backend._members.get("n0")
        assert member is not None
        assert member.health.up


async def test_a_node_for_which_there_is_no_room_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet_of(Player(), Player()) as fleet:
        monkeypatch.setattr(fleet.backend._members, "_most", 2)
        fleet.backend._fleet._changed([Known(Found(Node(id="n2", url="http://127.0.0.1:1")))])
        assert set(fleet.backend._fleet.nodes) == {"n0", "n1"}
    assert "node n2 is left out" in caplog.text


async def test_an_answer_goes_on_however_many_nodes_have_left_since() -> None:
    let_go = asyncio.Event()

    async def words(connection: Connection) -> None:
        await connection.stream(chunk(content="word"), end=False)
        await let_go.wait()
        await says_the_end(connection)

    async with fleet_of(Player(words=words)) as fleet:
        request = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        async with fleet.backend.stream(request, Caller("s")) as batches:
            await anext(batches)
            own = fleet.backend._fleet
            changes = [Found(Node(id=f"x{number}", url="http://127.0.0.1:1")) for number in range(80)]
            own._changed([Forgotten(Found(own.nodes["n0"].node))])
            for found in changes:
                own._changed([Known(found)])
                own._changed([Forgotten(found)])
            await own._forget_the_oldest()
            assert len(own._left) == 64
            let_go.set()
            events = [event async for batch in batches for event in batch]
        assert isinstance(events[-1], Finished), [event.error for event in events if isinstance(event, Failed)]


async def test_many_nodes_at_once_are_all_probed_and_one_that_hangs_holds_up_none() -> None:
    players = [Player(hangs=("/health",)), *(Player() for _ in range(63))]
    async with fleet_of(*players) as fleet:
        async with asyncio.timeout(3 * SECONDS):
            await fleet.backend._fleet._probing.seen([f"n{number}" for number in range(1, 64)])
        now = asyncio.get_running_loop().time()
        assert sum(member.is_ready(now) for member in fleet.backend._members) == 63
        assert players[0].asked == ["/health"]
        assert max(player.asked.count("/health") for player in players) < 64


async def test_a_node_that_cannot_be_used_keeps_out_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet_of(Player(), Player()) as fleet:
        own = fleet.backend._fleet
        at, found = own._at, [Found(Node(id=name, url="http://127.0.0.1:1")) for name in ("odd", "even")]
        monkeypatch.setattr(own, "_at", lambda node: at(node) if node.id == "even" else 1 / 0)
        own._changed([Known(one) for one in found])
        assert set(own.nodes) == {"n0", "n1", "even"}
        assert {member.id for member in own.members} == {"n0", "n1", "even"}
    assert "node odd cannot be used" in caplog.text
