"""Claude Code asks again without a stream when one broke (observed with 2.1.197): the prompt is not computed again."""

from pathlib import Path
from typing import Any

from anyclaude.backends.base import Caller
from anyclaude.backends.node import NodeBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Node
from anyclaude.wire.events import TextDelta, ThinkingDelta, UsageReport
from tests.support import tiny_model
from tests.support.filler import filler
from tests.support.worker import real_worker


async def test_what_was_computed_for_a_stream_that_broke_serves_the_repeat(tmp_path: Path) -> None:
    ask: dict[str, Any] = {
        "model": "m",
        "max_tokens": 200,
        "system": filler(3000, "system"),
        "messages": [{"role": "user", "content": filler(1500, "question")}],
    }
    caller = Caller("session")
    with real_worker(tiny_model.build(tmp_path / "tiny").folder) as worker:
        backend = NodeBackend(Node(id="n", url=worker.url), None, Deadlines())
        async with backend.stream({**ask, "stream": True}, caller) as batches:
            async for batch in batches:
                if any(isinstance(event, TextDelta | ThinkingDelta) for event in batch):
                    break  # the connection to the client is gone in the middle of the answer
        async with backend.stream({**ask, "max_tokens": 2}, caller) as batches:
            events = [event async for batch in batches for event in batch]
        await backend.aclose()
    usage = next(event for event in events if isinstance(event, UsageReport))
    assert usage.prompt_tokens - (usage.cached_tokens or 0) <= 32, (
        "all but the prompt's last tokens come from the cache"
    )
