"""Nodes that answer oddly, that lie, or that never answer: never asked while another is there, and it is said why."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.errors import Overloaded
from anyclaude.wire.events import Finished
from tests.support.played_nodes import READY, SECONDS, Played, Player, fleet_of, says_one_word
from tests.support.raw_upstream import Connection, whole

COMPLETIONS = "/v1/chat/completions"


async def ask(backend: MlxClusterBackend, session: str = "s") -> None:
    request = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    async with asyncio.timeout(SECONDS), backend.stream(request, Caller(session)) as batches:
        events = [event async for batch in batches for event in batch]
    assert isinstance(events[-1], Finished)


async def ask_twice_each(fleet: Played) -> None:
    for number in range(8):
        await ask(fleet.backend, f"session {number // 2}")


async def answers_for_ever(connection: Connection) -> None:
    """A body that grows by a byte each time it is read, and never ends."""
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        await connection.send(b" ")
        await asyncio.sleep(0.01)


async def answers_too_much(connection: Connection) -> None:
    await connection.send(whole(200, b'{"state": "' + b"x" * (5 * 1024 * 1024) + b'"}'))


async def breaks(connection: Connection) -> None:
    connection.reset()


async def refuses(connection: Connection) -> None:
    await connection.send(whole(500, b'{"error": {"message": "the GPU is on fire"}}'))


class Odd(Player):
    """Plays its own words at every path but that of completions."""

    async def play(self, connection: Connection) -> None:
        path = connection.head.split(" ")[1]
        if path == COMPLETIONS or self.words is None:
            await super().play(connection)
        else:
            self.asked.append(path)
            await self.words(connection)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (answers_for_ever, "did not answer in time"),
        (answers_too_much, "answered with more than"),
        (breaks, "the connection to .* broke"),
        (refuses, "the GPU is on fire"),
        (lambda connection: connection.send(b"\x00\xff garbage\r\n\r\n"), "the connection to .* broke"),
        (lambda connection: connection.send(whole(200, b"\xff{]")), "is not JSON"),
        (lambda connection: connection.send(whole(302, b"", Location="http://127.0.0.1:1/")), "redirects elsewhere"),
        (lambda connection: connection.gone(), "did not answer in time"),
    ],
    ids=["for ever", "too much", "reset", "500", "no HTTP", "no JSON", "redirect", "never"],
)
async def test_a_node_that_is_none(words: Callable[[Connection], Any], reason: str) -> None:
    odd, well = Odd(words=words, patience=1.0), Player()
    async with fleet_of(odd, well) as fleet:
        await fleet.backend._fleet.ready()
        await ask_twice_each(fleet)
        await well.until("/health", 2)
        assert COMPLETIONS not in odd.asked
        async with asyncio.timeout(SECONDS):
            await fleet.backend._fleet._probing.seen(["n0"])
        with pytest.raises(AssertionError, match=f"n0: it does not answer: .*{reason}"):
            raise AssertionError(fleet.backend._fleet.why_nobody())


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("dead", "it says that it is dead"),
        ("odd", "it says that it is dead"),
        ("loading", "it says that it is loading"),
    ],
)
async def test_a_node_that_says_so(state: str, reason: str) -> None:
    odd, well = Player(health={**READY, "state": state}), Player()
    async with fleet_of(odd, well) as fleet:
        assert [node.node.id for node in await fleet.backend._fleet.ready()] == ["n1"]
        await ask_twice_each(fleet)
        assert COMPLETIONS not in odd.asked
        assert f"n0: {reason}" in fleet.backend._fleet.why_nobody()


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"model": "another"}, "it serves the model 'another' where 'm' is expected"),
        ({"context_length": 512}, "its context window is 512 tokens where 32768 are expected"),
    ],
)
async def test_a_node_that_becomes_another(lie: dict[str, Any], reason: str) -> None:
    odd, well = Player(), Player()
    async with fleet_of(odd, well) as fleet:
        await fleet.backend._fleet.ready()
        odd.health |= lie
        await odd.again("/cache", 3)
        before = odd.asked.count(COMPLETIONS)
        await ask_twice_each(fleet)
        assert odd.asked.count(COMPLETIONS) == before
        assert f"n0: {reason}" in fleet.backend._fleet.why_nobody()
        assert (status := fleet.backend.status().nodes[0]).status == "unhealthy"
        assert reason in status.reason


@pytest.mark.parametrize(
    "health",
    [
        {"context_length": -5, "active": -1, "waiting": -9, "queued_prefill_tokens": -(2**62), "prefill_tps": -1},
        {"prefill_tps": 1e300, "decode_tps": 1e300, "active": True, "memory": {"active": -1, "limit": "all"}},
        {"model": ["m"], "instance": {"a": 1}, "supports_tools": 1, "queued_prefill_tokens": 2**63},
    ],
)
async def test_numbers_that_cannot_be_take_nobody_in(health: dict[str, Any]) -> None:
    """What cannot be is not said: such a node is as good as one that says nothing, and gets no more than its part."""
    odd, well = Player(health={"state": "ready", "instance": "one", **health}), Player()
    async with fleet_of(odd, well) as fleet:
        await fleet.backend._fleet.ready()
        for number in range(8):
            await ask(fleet.backend, f"session {number}")
        assert min(odd.asked.count(COMPLETIONS), well.asked.count(COMPLETIONS)) > 0


async def test_a_list_of_models_that_cannot_be() -> None:
    listed = {"data": [{"id": "m" * 1000, "context_length": -5}, {"id": 5}, {"id": "n", "context_length": True}]}
    odd = Odd(words=lambda connection: connection.send(whole(200, json.dumps(listed).encode())))
    async with fleet_of(odd) as fleet:
        await fleet.backend._fleet.ready()
        (member,) = fleet.backend._members
        assert member.report is not None
        assert member.report.context_length is None
        assert len(member.report.model or "") == 200
        assert (await fleet.backend.ready()).context_window is None


async def test_a_node_that_is_well_and_answers_nothing_is_left_alone() -> None:
    failing, well = Player(words=refuses), Player()
    async with fleet_of(failing, well) as fleet:
        await fleet.backend._fleet.ready()
        for number in range(20):
            await ask(fleet.backend, f"session {number}")
        assert failing.asked.count(COMPLETIONS) == 3
        (status, _) = fleet.backend.status().nodes
        assert "its last requests failed; it is tried again in" in status.reason


async def test_nobody_there_is_told_at_once() -> None:
    async with fleet_of(Player(), Player(), Player()) as fleet:
        await fleet.backend._fleet.ready()
        for node in fleet.backend._fleet.nodes.values():
            node._upstream.base_url = "http://127.0.0.1:1/v1"
        with pytest.raises(Overloaded, match="no node of the cluster answers now: nothing answers at"):
            await ask(fleet.backend)


async def test_nodes_that_die_with_the_request_are_told_as_nobody_there() -> None:
    async def dies(connection: Connection) -> None:
        connection.reset()

    async with fleet_of(Player(words=dies), Player(words=dies)) as fleet:
        await fleet.backend._fleet.ready()
        with pytest.raises(Overloaded, match=r"no node of the cluster answers now: the connection to .* broke"):
            await ask(fleet.backend)


async def test_a_node_that_loads_is_not_waited_for_while_another_answers() -> None:
    async def loads(connection: Connection) -> None:
        await connection.send(whole(503, b'{"error": {"message": "the model is still loading"}}', Retry_After="2"))

    loading = Player(health={**READY, "state": "loading"}, words=loads)
    well = Player()
    async with fleet_of(loading, well) as fleet:
        await fleet.backend._fleet.ready()
        well.health = {**READY, "state": "dead"}  # it is just back, and not believed yet
        await well.again("/cache", 3)
        await ask(fleet.backend)
        assert loading.asked.count(COMPLETIONS) == 1


async def test_who_waits_at_a_node_that_hangs_goes_elsewhere() -> None:
    hanging, well = Player(), Player()
    async with fleet_of(hanging, well) as fleet:
        await fleet.backend._fleet.ready()
        hanging.hangs = (COMPLETIONS,)
        asking = [asyncio.create_task(ask(fleet.backend, f"session {number}")) for number in range(4)]
        await hanging.until(COMPLETIONS)
        hanging.hangs, hanging.patience = ("/health", COMPLETIONS), 0.1
        await asyncio.gather(*asking)
        assert well.asked.count(COMPLETIONS) == 4


async def test_who_waits_at_the_only_node_waits_on_while_it_is_slow_to_answer_probes() -> None:
    let_go = asyncio.Event()

    async def slowly(connection: Connection) -> None:
        await let_go.wait()
        await says_one_word(connection)

    slow = Player(words=slowly)
    async with fleet_of(slow) as fleet:
        await fleet.backend._fleet.ready()
        asking = asyncio.create_task(ask(fleet.backend))
        await slow.until(COMPLETIONS)
        slow.hangs, slow.patience = ("/health",), 0.1
        await slow.again("/health", 6)
        (member,) = fleet.backend._members
        assert not member.health.up
        let_go.set()
        await asking


async def test_who_finds_all_hanging_is_told_so_and_all_is_well_once_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anyclaude.backends.probing._PATIENCE", 0.0)
    first, second = Player(), Player()
    async with fleet_of(first, second) as fleet:
        await fleet.backend._fleet.ready()
        first.hangs = second.hangs = ("/health", COMPLETIONS)
        first.patience = second.patience = 0.1
        for _ in range(2):
            with pytest.raises(Overloaded, match=r"n0: it does not answer: .*; n1: it does not answer: .*; start"):
                await ask(fleet.backend)
        first.hangs, first.patience = (), 15.0
        await ask(fleet.backend)


async def test_another_server_than_ours_may_be_silent_to_probes_while_it_computes() -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()
    listed = whole(200, b'{"data": [{"id": "m"}]}')

    class Single(Player):
        """Does one thing at a time."""

        async def play(self, connection: Connection) -> None:
            path = connection.head.split(" ")[1]
            if path == COMPLETIONS:
                begun.set()
                await let_go.wait()
                await super().play(connection)
            elif begun.is_set() and not let_go.is_set():
                self.heard.put_nowait(path)
                await connection.gone()
            else:
                await connection.send(listed if path.endswith("models") else whole(404, b"{}"))

    single = Single()
    async with fleet_of(single) as fleet:
        await fleet.backend._fleet.ready()
        single.patience = 0.1
        asking = asyncio.create_task(ask(fleet.backend))
        await begun.wait()
        await single.until("/health", 5)
        (member,) = fleet.backend._members
        assert not member.health.up
        let_go.set()
        await asking
