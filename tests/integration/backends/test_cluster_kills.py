"""Nodes that are killed under load: nothing is lost before its first word, and what breaks later says so once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.cluster_kills import SESSIONS, flap, kill_nodes
from tests.support.cluster_load import cluster_of, loaded
from tests.support.killable_node import KillableNode

KILLS = 6
FLAPS = 5


@pytest.fixture
def nodes() -> Iterator[list[KillableNode]]:
    with ExitStack() as stack:
        yield [stack.enter_context(KillableNode()) for _ in range(3)]


async def test_nothing_is_lost_before_its_first_word(nodes: list[KillableNode]) -> None:
    result = await kill_nodes(nodes, KILLS)
    assert set(result.outcomes) <= {"whole", "cut"}, result.outcomes
    assert result.outcomes["whole"] > result.outcomes["cut"] > 0


async def test_a_node_that_flaps_loses_nobody_and_is_left_alone(nodes: list[KillableNode]) -> None:
    backend = cluster_of([node.url for node in nodes], timeout_ms=15_000)
    async with loaded(backend, SESSIONS) as load:
        await load.until(lambda: {visit.node for visit in load.visits if visit.begun} == {"n0", "n1", "n2"})
        await flap(load, nodes[0], FLAPS, SESSIONS)
        homes = Counter(visit.node for visit in load.visits)
    assert set(load.outcomes()) <= {"whole", "cut"}, load.outcomes()
    assert homes["n1"] + homes["n2"] > 3 * homes["n0"], homes
