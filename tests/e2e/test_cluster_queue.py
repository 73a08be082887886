"""The real Claude Code before a cluster that is full: it waits, and learns nothing of it but the time."""

import asyncio
import json
from pathlib import Path

from tests.support.claude_code import ClaudeCode
from tests.support.narrow_node import NarrowNode


async def test_claude_code_waits_for_a_place_and_is_answered(tmp_path: Path) -> None:
    async with NarrowNode(0, retry_after=1) as node:
        nodes = json.dumps([{"id": "n0", "url": node.url}])
        claude = ClaudeCode(tmp_path, "mlx-cluster", MLX_CLUSTER_NODES=nodes, ANYCLAUDE_DEBUG="3")
        asked = asyncio.create_task(claude.ask("Say it."))
        await node.until(lambda: node.refused >= 3)
        node.places = 4
        answering = asyncio.create_task(_answer_everybody(node))
        answer = await asked
        answering.cancel()
    assert answer.exit_code == 0
    assert "Say it." in answer.text
    waits = [
        sum(note["kind"] == "queue" for note in json.loads(trace.read_text())["notes"]) for trace in _traces(claude)
    ]
    assert max(waits) >= 3, "it was one request that waited, and not several that were refused"


def _traces(claude: ClaudeCode) -> list[Path]:
    return list((claude.home / ".anyclaude" / "traces").rglob("*.json"))


async def _answer_everybody(node: NarrowNode) -> None:
    for number in range(100):
        await node.until(lambda number=number: len(node.let_in) > number)  # type: ignore[misc]
        node.answer(node.let_in[number])
