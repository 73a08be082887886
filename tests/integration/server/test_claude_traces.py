"""What claude mode leaves on disk: streamed or whole, answered or refused, and no secret in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyclaude.config.model import Traces
from anyclaude.trace.store import TraceStore
from tests.support import anthropic_upstream as shapes
from tests.support.anthropic_upstream import Play, says, strictly
from tests.support.claude_mode import BODY, LOGIN, OURS, ask, claude_mode
from tests.support.clients import TOKEN


async def traced(home: Path, play: Play, body: bytes) -> dict[str, Any]:
    """The one record that a request leaves."""
    store = TraceStore(home, "claude", Traces(), [TOKEN])
    async with claude_mode(play, recording=store) as (url, _):
        await ask(url, {**OURS, **LOGIN, "x-other": f"has {TOKEN}"}.items(), body)
    store.close()
    (path,) = (home / "traces/claude").iterdir()
    text = path.read_text()
    assert TOKEN not in text
    assert "sk-ant-oat01" not in text
    record: dict[str, Any] = json.loads(text)
    return record


@pytest.mark.parametrize("body", [BODY, BODY.replace(b"true", b"false")], ids=["a stream", "in one piece"])
async def test_an_answer(tmp_path: Path, body: bytes) -> None:
    record = await traced(tmp_path, says("Bonjour."), body)
    answer = record["response"]["body"]
    assert record["outcome"] == "complete"
    assert [block["text"] for block in answer["content"]] == ["Bonjour."]
    assert (answer["id"], answer["stop_reason"]) == ("msg_01Upstream", "end_turn")
    assert record["usage"]["cache_read_input_tokens"] == 400
    assert record["upstream"][0]["body"] == record["request"]["body"]


async def test_a_refusal(tmp_path: Path) -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    record = await traced(tmp_path, shapes.answers(error, 429), BODY)
    assert (record["outcome"], record["error"]) == ("error", "Claude said: slow down")
    assert record["response"]["status"] == 429
    assert record["response"]["body"]["error"] == error["error"]


async def test_what_was_made_fit(tmp_path: Path) -> None:
    theirs = {"type": "thinking", "thinking": "theirs", "signature": ""}
    turns = [{"role": "assistant", "content": [theirs, {"type": "text", "text": "a"}]}]
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": turns}).encode()
    record = await traced(tmp_path, strictly(says("Bonjour.")), body)
    assert record["outcome"] == "complete"
    assert record["request"]["body"]["messages"] == turns
    assert record["upstream"][0]["body"]["messages"][0]["content"] == [{"type": "text", "text": "a"}]
    assert "repair" in [note["kind"] for note in record["notes"]]
