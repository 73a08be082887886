"""Real workers that hang, come back as something else, or are all away: seen through the whole proxy."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.cluster.member import Member
from anyclaude.cluster.node import Report
from tests.support import tiny_model
from tests.support.cluster_load import Load, cluster_of, loaded
from tests.support.worker_nodes import WorkerNode, worker_nodes

PATIENT_MS = 15_000


class Place(NamedTuple):
    nodes: list[WorkerNode]
    models: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("workers")
    tiny_model.build(folder / "one")
    tiny_model.build(folder / "another")
    tiny_model.build(folder / "small" / "one", context=512)
    with worker_nodes(folder, folder / "one", 2) as nodes:
        yield Place(nodes, folder)


def cluster(nodes: list[WorkerNode]) -> MlxClusterBackend:
    return cluster_of([node.url for node in nodes], timeout_ms=PATIENT_MS)


def hurry(backend: MlxClusterBackend, name: str) -> None:
    """Wait little for what this node says of itself, however busy the machine is for the others."""
    node = backend._fleet.nodes[name]
    report = node.report

    async def hurried(seconds: float) -> Report:
        return await report(0.2)

    node.report = hurried  # type: ignore[method-assign]


def member_of(backend: MlxClusterBackend, name: str) -> Member:
    member = backend._members.get(name)
    assert member is not None
    return member


async def test_a_node_that_hangs_for_a_while_loses_nothing(place: Place) -> None:
    backend = cluster(place.nodes)
    async with loaded(backend, 4) as load:
        await load.until(lambda: {visit.node for visit in load.visits if visit.begun} == {"n0", "n1"})
        hurry(backend, "n0")
        place.nodes[0].halt()
        try:
            await load.until(lambda: not member_of(backend, "n0").health.up)
            visits, ended = len(load.visits), load.outcomes().total()
            await load.until(lambda: load.outcomes().total() > ended + 4)
            assert {visit.node for visit in load.visits[visits:]} == {"n1"}
        finally:
            place.nodes[0].go_on()
        await load.until(lambda: member_of(backend, "n0").health.up)
        went_on = asyncio.get_running_loop().time()
        await load.until(lambda: answered_since(load, went_on) == {0, 1, 2, 3})
    assert set(load.outcomes()) == {"whole"}


def answered_since(load: Load, at: float) -> set[int]:
    return {one.session for one in load.asked if one.at > at and one.outcome == "whole"}


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("another", "it serves the model 'another' where 'one' is expected"),
        ("small/one", "its context window is 512 tokens where 32768 are expected"),
    ],
)
async def test_a_node_that_comes_back_as_another_is_never_asked(place: Place, model: str, reason: str) -> None:
    backend = cluster(place.nodes)
    lying = place.nodes[0]
    async with loaded(backend, 2) as load:
        await load.until(lambda: "whole" in load.outcomes())
        await asyncio.to_thread(lying.kill)
        await load.until(lambda: not member_of(backend, "n0").health.up)
        await asyncio.to_thread(lying.start, place.models / model)
        await load.until(lambda: member_of(backend, "n0").health.lies)
        visits = len(load.visits)
        await load.until(lambda: len(load.visits) > visits + 4)
        assert {visit.node for visit in load.visits[visits:]} == {"n1"}
        assert reason in backend.status().nodes[0].reason
        assert f"n0: {reason}" in backend._fleet.why_nobody()
        await asyncio.to_thread(lying.kill)
        await asyncio.to_thread(lying.start)
        await load.until(lambda: member_of(backend, "n0").health.up)
    assert set(load.outcomes()) <= {"whole", "cut"}


async def test_all_down_is_told_at_once_and_over_when_one_is_back(place: Place) -> None:
    backend = cluster(place.nodes)
    async with loaded(backend, 0) as load:
        assert (await load.ask(0)).outcome == "whole"
        for node in place.nodes:
            await asyncio.to_thread(node.kill)
        for _ in range(3):
            told = await load.ask(0)
            assert "529" in told.outcome
            assert '"overloaded_error"' in told.outcome
            assert "no node of the cluster" in told.outcome
        await asyncio.to_thread(place.nodes[1].start)
        async with asyncio.timeout(60):
            while (await load.ask(0)).outcome != "whole":  # it loads its model, and Claude Code repeats
                pass
        await asyncio.to_thread(place.nodes[0].start)
