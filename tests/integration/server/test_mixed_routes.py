"""One conversation between a local model and Claude: each finds in it what it can take."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Backend
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.router import Router
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude, LMStudio
from anyclaude.convert.reasoning import Sealing
from anyclaude.server.serve import serving
from tests.support.anthropic_upstream import SIGNATURE, AnthropicUpstream, anthropic_upstream, says, strictly
from tests.support.claude_mode import Kept
from tests.support.clients import TOKEN
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Calls, Refusal, Says, Thinks, reply

LOCAL, CLAUDE = "local", "anthropic/claude:claude-opus-4-8"
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("Read", "Write", "Bash")]
HI = {"role": "user", "content": "Hi"}


@dataclass
class Both:
    """local is the main model, far is Claude; kept is what the trace was told."""

    client: anthropic.AsyncAnthropic
    local: OpenAIUpstream
    far: AnthropicUpstream
    kept: Kept

    async def say(self, model: str, *turns: Any, **more: Any) -> dict[str, Any]:
        """The answer of a model, as the turn that the client sends back."""
        request: Any = {"model": model, "max_tokens": 99, "messages": list(turns), "tools": TOOLS, **more}
        async with self.client.messages.stream(**request) as stream:
            message = await stream.get_final_message()
        return {"role": "assistant", "content": [block.to_dict() for block in message.content]}

    def told_claude(self) -> list[Any]:
        """The messages of the last request that came to Claude."""
        messages: list[Any] = json.loads(self.far.requests[-1].body)["messages"]
        return messages


@asynccontextmanager
async def both(fallback: bool = False) -> AsyncIterator[Both]:
    async with OpenAIUpstream() as local, anthropic_upstream(strictly(says("I am Claude."))) as far:
        key, kept = SecretStr("sk-ant-key"), Kept()
        backends: dict[Any, Backend] = {
            "lmstudio": LMStudioBackend(LMStudio(url=local.url), None, Deadlines()),
            "claude": ClaudeBackend(Claude(url=far.url, api_key=key), Deadlines()),
        }
        main, behind = Target("lmstudio"), Target("claude", "claude-opus-4-8")
        router = Router(backends, Routes(main), {main: [behind]} if fallback else None)
        async with (
            serving(router, TOKEN, recording=kept) as address,
            anthropic.AsyncAnthropic(base_url=address.url, auth_token=TOKEN, max_retries=0) as client,
        ):
            yield Both(client, local, far, kept)


async def test_a_session_that_changes_to_claude_and_back() -> None:
    async with both() as two:
        two.local.script(
            reply(Thinks("theirs"), Says("I look."), Calls("Read", '{"path":"a"}', id="functions.Read:0")),
            reply(Says("Back again.")),
        )
        first = await two.say(LOCAL, HI)
        assert [block["type"] for block in first["content"]] == ["thinking", "text", "tool_use"]
        assert first["content"][0]["signature"] == ""
        result = {"type": "tool_result", "tool_use_id": first["content"][2]["id"], "content": "x"}
        turns = [HI, first, {"role": "user", "content": [result]}]
        second = await two.say(CLAUDE, *turns)
        assert second["content"][0]["text"] == "I am Claude."
        told = two.told_claude()
        assert [block["type"] for block in told[1]["content"]] == ["text", "tool_use"]
        assert told[1]["content"][1]["id"] == told[2]["content"][0]["tool_use_id"]
        assert (
            "repair",
            {"text": "what other models left in the conversation was made fit for Claude"},
        ) in two.kept.notes
        assert two.kept.bodies[-1] == two.far.requests[-1].body
        third = await two.say(LOCAL, *turns, second, HI)
    assert third["content"][0]["text"] == "Back again."
    assert TOKEN.encode() not in two.far.requests[-1].head


async def test_a_conversation_with_claude_alone_goes_as_it_came() -> None:
    mine = {"type": "thinking", "thinking": "mine", "signature": SIGNATURE}
    said = {"role": "assistant", "content": [mine, {"type": "text", "text": "Hello."}]}
    async with both() as two:
        await two.say(CLAUDE, HI, said, HI)
        assert two.told_claude() == [HI, said, HI]
        assert not any(kind == "repair" for kind, _ in two.kept.notes)


def envelope() -> str:
    sealing = Sealing("vendor/model")
    sealing.add([{"type": "reasoning.encrypted", "data": "x" * 100, "index": 0}])
    sealed = sealing.seal()
    assert sealed
    return sealed


@pytest.mark.parametrize("signature", ["", envelope()], ids=["none", "an envelope"])
async def test_only_the_thinking_of_others_is_taken_out(signature: str) -> None:
    mine = {"type": "thinking", "thinking": "mine", "signature": SIGNATURE}
    theirs = {"type": "thinking", "thinking": "theirs", "signature": signature}
    text = {"type": "text", "text": "Hello."}
    async with both() as two:
        await two.say(
            CLAUDE,
            HI,
            {"role": "assistant", "content": [theirs]},
            HI,
            {"role": "assistant", "content": [mine, text]},
            HI,
        )
        told = two.told_claude()
    assert told[1]["content"] == [{"type": "text", "text": "(no content)"}]
    assert told[3]["content"] == [mine, text]


async def test_a_count_is_asked_of_claude_without_it() -> None:
    theirs = {"role": "assistant", "content": [{"type": "thinking", "thinking": "theirs", "signature": ""}]}
    async with both() as two:
        turns: Any = [HI, theirs, HI]
        count = await two.client.messages.count_tokens(model=CLAUDE, messages=turns)
    assert count.input_tokens == 442


@pytest.mark.parametrize("thinking", ["adaptive", "enabled"])
async def test_claude_stands_in_for_a_local_model_in_the_middle_of_its_turn(thinking: str) -> None:
    """The way through model events: not handed on, but asked with a key of our own."""
    budget = {"budget_tokens": 1024} if thinking == "enabled" else {}
    async with both(fallback=True) as two:
        two.local.script(
            reply(Thinks("theirs"), Calls("Bash", '{"command": ', id="call|1")),
            Refusal(503, "Loading model"),
        )
        first = await two.say(LOCAL, HI)
        result = {"type": "tool_result", "tool_use_id": first["content"][1]["id"], "content": "broken JSON"}
        first["content"][1]["input"] = '{"command": '  # as Claude Code sends it back
        back = {"role": "user", "content": [result]}
        second = await two.say(LOCAL, HI, first, back, thinking={"type": thinking, **budget})
        (told,) = two.told_claude()[1]["content"]
    assert second["content"][0]["text"] == "I am Claude."
    assert told["input"] == {"arguments": '{"command": '}
    assert two.far.requests[-1].header("x-api-key") == ["sk-ant-key"]
