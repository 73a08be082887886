"""Two turns at an upstream: the second prompt begins with the first, whatever Claude Code made of the call between."""

import json
from typing import Any

from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from tests.support.journal import Notes
from tests.support.raw_upstream import Connection, raw_upstream
from tests.support.streams import call, finish, usage

WRITTEN = '{"new_string": "b  ", "file_path": "/a", "old_string": "a"}'
REWRITTEN = {"replace_all": False, "file_path": "/a", "old_string": "a", "new_string": "b"}
EDIT = {"name": "Edit", "input_schema": {"type": "object", "properties": {}}}


async def play(connection: Connection) -> None:
    await connection.stream(call(0, "call_1", "Edit", WRITTEN), finish("tool_calls"), usage(9, 2), "[DONE]")


async def ask(backend: LMStudioBackend, journal: Notes, *messages: dict[str, Any]) -> None:
    request = {"model": "m", "max_tokens": 16, "tools": [EDIT], "messages": list(messages)}
    async with backend.stream(request, Caller("session", None, journal)) as batches:
        async for _ in batches:
            pass


async def test_the_model_gets_its_own_words_back() -> None:
    question = {"role": "user", "content": "Edit /a"}
    used = {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "Edit", "input": REWRITTEN}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "done"}]}
    journal = Notes()
    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        await ask(backend, journal, question)
        await ask(backend, journal, question, used, result)
        await ask(backend, journal, {"role": "user", "content": "Edit /b"})
        await backend.aclose()
    sent = upstream.requests[1].json["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert list(json.loads(sent)) == ["new_string", "file_path", "old_string"]
    assert json.loads(sent) == json.loads(WRITTEN)
    assert [note["cause"] for note in journal.of("prefix")] == [None, "history shortened"]
