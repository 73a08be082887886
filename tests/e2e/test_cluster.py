"""The real Claude Code on a cluster of two nodes: a session stays at one, and goes on at the other when it fails."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import Asked, OpenAIUpstream, side_answer
from tests.support.script import Refusal, Reply, Says, Usage, calls, reply

UNSAID = Usage(cached=None)


class Answering(OpenAIUpstream):
    """Has a command run and then says how it went. takes: how many requests of the session, before it is full."""

    takes = 10

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        if not asked.body.get("tools"):
            return side_answer(asked)
        if len(self.asked) >= self.takes:
            return Refusal(503, "the worker is shutting down")
        self.asked.append(asked)
        results = asked.tool_results()
        return reply(Says(f"It says {results[-1]}."), usage=UNSAID) if results else _command()


def _command() -> Reply:
    return reply(calls("Bash", command="echo hello"), usage=UNSAID)


@pytest.fixture
async def nodes() -> AsyncIterator[list[Answering]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Answering()) for _ in range(2)]


def claude_on(nodes: list[Answering], folder: Path) -> ClaudeCode:
    named = [{"id": f"mac{number}", "url": node.url} for number, node in enumerate(nodes)]
    return ClaudeCode(folder, "mlx-cluster", MLX_CLUSTER_NODES=json.dumps(named), MLX_CLUSTER_HEALTH_INTERVAL="1000")


async def test_a_session_stays_at_one_node(tmp_path: Path, nodes: list[Answering]) -> None:
    answer = await claude_on(nodes, tmp_path).ask("Run the command")
    assert (answer.exit_code, answer.text) == (0, "It says hello.")
    assert sorted(len(node.asked) for node in nodes) == [0, 2]


async def test_it_goes_on_at_another_when_that_one_is_drained(tmp_path: Path, nodes: list[Answering]) -> None:
    for node in nodes:
        node.takes = 1
    answer = await claude_on(nodes, tmp_path).ask("Run the command")
    assert (answer.exit_code, answer.text) == (0, "It says hello.")
    assert [len(node.asked) for node in nodes] == [1, 1]
