"""Nodes that are killed under load: nothing is lost before its first word, and what breaks later says so once."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.cluster_kills import kill_nodes
from tests.support.killable_node import KillableNode

KILLS = 6


@pytest.fixture
def nodes() -> Iterator[list[KillableNode]]:
    with ExitStack() as stack:
        yield [stack.enter_context(KillableNode()) for _ in range(3)]


async def test_nothing_is_lost_before_its_first_word(nodes: list[KillableNode]) -> None:
    result = await kill_nodes(nodes, KILLS)
    assert set(result.outcomes) <= {"whole", "cut"}, result.outcomes
    assert result.outcomes["whole"] > result.outcomes["cut"] > 0
