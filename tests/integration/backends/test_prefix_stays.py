"""Two turns at an upstream: the second prompt begins with the first, whatever Claude Code made of the call between."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Backend, Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.registry import open_backend
from anyclaude.config.model import Deadlines, Mode, Settings
from anyclaude.config.upstreams import Backends, LMStudio, MlxCluster, Node, OpenRouter
from tests.support.journal import Notes
from tests.support.played_nodes import Player
from tests.support.raw_upstream import Connection, RawUpstream, raw_upstream
from tests.support.streams import call, finish, usage

WRITTEN = '{"new_string": "b  ", "file_path": "/a", "old_string": "a"}'
REWRITTEN = {"replace_all": False, "file_path": "/a", "old_string": "a", "new_string": "b"}
EDIT = {"name": "Edit", "input_schema": {"type": "object", "properties": {}}}


async def play(connection: Connection) -> None:
    await connection.stream(call(0, "call_1", "Edit", WRITTEN), finish("tool_calls"), usage(9, 2), "[DONE]")


async def ask(backend: Backend, journal: Notes, *messages: dict[str, Any]) -> None:
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


@pytest.mark.parametrize("mode", ["lmstudio", "openrouter", "mlx-cluster"])
@pytest.mark.parametrize("keep", [True, False])
async def test_a_proxy_that_was_started_anew_sends_the_same_prompt(tmp_path: Path, mode: Mode, keep: bool) -> None:
    question, answer = {"role": "user", "content": "Edit /a"}, {"role": "user", "content": "And now?"}
    used = {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "Edit", "input": REWRITTEN}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "done"}]}
    asked = []
    async with raw_upstream(Player(words=play).play) as upstream:
        settings = settings_for(upstream.url, mode, tmp_path, keep)
        for messages in ([question], [question, used, result]), ([question, used, result, answer],):
            backend = open_backend(mode, settings)
            for conversation in messages:
                await ask(backend, Notes(), *conversation)
                asked.append(sent(upstream))
            await backend.aclose()
    _, before, after = asked
    assert (after[: len(before)] == before) is keep


def settings_for(url: str, mode: Mode, home: Path, keep: bool) -> Settings:
    backends = Backends(
        lmstudio=LMStudio(url=url),
        openrouter=OpenRouter(url=url, api_key=SecretStr("k")),
        mlx_cluster=MlxCluster().of(Node(id="one", url=url)),
    )
    return Settings(mode=mode, model="m", home=home, keep_own_words=keep, backends=backends)


def sent(upstream: RawUpstream) -> list[dict[str, Any]]:
    """The messages that went upstream last."""
    last = [request for request in upstream.requests if "completions" in request.head][-1]
    found: list[dict[str, Any]] = last.json["messages"]
    return found
