"""Calls that a model writes as text, through the whole proxy: what the client sees, and what the trace keeps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines, ProfileChange
from anyclaude.config.upstreams import LMStudio
from anyclaude.wire.events import Finished, ModelEvent, TextDelta, ToolArgsDelta, ToolCallStart
from tests.support.clients import Client, talking_to
from tests.support.journal import Notes
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Calls, Reply, Says, Thinks, Usage, calls, reply

BASH: dict[str, Any] = {
    "name": "Bash",
    "description": "runs a command",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}
ASK: dict[str, Any] = {"tools": [BASH]}
CALL = '<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>'
MARKS = "Use `<tool_call>` or <b>:\n```\n" + CALL + "\n```\nand so on.\n"


@asynccontextmanager
async def proxied(*lines: Reply, **change: Any) -> AsyncIterator[tuple[OpenAIUpstream, Client]]:
    async with OpenAIUpstream() as upstream:
        upstream.script(*lines)
        changes = {"*": ProfileChange(**change)}
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines(), changes)
        async with talking_to(backend) as client:
            yield upstream, client


async def events_of(*lines: Reply, request: dict[str, Any] | None = None, **change: Any) -> list[list[dict[str, Any]]]:
    """What the client sees of each answer, but for ids."""
    async with proxied(*lines, **change) as (_, client):
        return [[_plain(event) for event in await client.events(**(request or ASK))] for _ in lines]


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    if event["type"] == "message_start":
        return {"type": "message_start"}
    return event


def blocks(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Type and content of each block."""
    found: list[tuple[str, str]] = []
    for event in events:
        if event["type"] == "content_block_start":
            block = event["content_block"]
            found.append((block["type"] + (":" + block["name"] if "name" in block else ""), ""))
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            said = delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
            found[-1] = (found[-1][0], found[-1][1] + said)
    return found


def stop_reason(events: list[dict[str, Any]]) -> tuple[str, int]:
    last = [event for event in events if event["type"] == "message_delta"][-1]
    return last["delta"]["stop_reason"], last["usage"]["output_tokens"]


@pytest.mark.parametrize("pieces", [1, 7, 1000])
async def test_a_call_in_the_text_is_a_call_for_the_client(pieces: int) -> None:
    answer = reply(Says("<think>\nHm.\n</think>\n\nI look.\n" + CALL, pieces), usage=Usage(completion=33))
    [events] = await events_of(answer)
    assert blocks(events) == [("thinking", "Hm.\n"), ("text", "I look.\n"), ("tool_use:Bash", '{"command":"ls"}')]
    assert stop_reason(events) == ("tool_use", 33)


async def test_a_whole_answer_has_the_call_too() -> None:
    async with proxied(reply(Says(CALL, 3))) as (_, client), client.post(**ASK) as response:
        message = await response.json()
    [block] = message["content"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "Bash", {"command": "ls"})
    assert message["stop_reason"] == "tool_use"


async def test_the_trace_is_told_of_it() -> None:
    notes = Notes()
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(Says(CALL, 3)))
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        request = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **ASK}
        async with backend.stream(request, Caller(journal=notes)) as batches:
            events: list[ModelEvent] = [event async for batch in batches for event in batch]
        await backend.aclose()
    assert notes.of("repair") == [{"tool": "Bash", "what": "a call that was written as text", "family": "hermes"}]
    assert [event for event in events if isinstance(event, ToolArgsDelta)] == [ToolArgsDelta('{"command":"ls"}')]
    assert events[-1] == Finished("tool_use")
    assert not any(isinstance(event, TextDelta) for event in events)


@pytest.mark.parametrize(
    "answer",
    [
        reply(Says("Plain words.\n\nAnd more.", 4)),
        reply(Says(MARKS, 9)),
        reply(Thinks("Hm."), Says("Yes.", 2), calls("Bash", command="ls")),
        reply(Says("Cut <tool_c", 2), finish="length"),
        reply(Says(CALL, 2), finish="length"),
        reply(Calls("Bash", '{"command": "l')),
    ],
    ids=["prose", "marks", "made calls", "cut", "cut call", "broken call"],
)
async def test_an_answer_without_such_calls_is_the_same_as_without_the_feature(answer: Reply) -> None:
    [with_it] = await events_of(answer)
    [without] = await events_of(answer, text_calls=False)
    assert (blocks(with_it), stop_reason(with_it)) == (blocks(without), stop_reason(without))


async def test_arguments_that_can_be_mended_are_mended() -> None:
    """As those of every other call; what cannot be is no call."""
    wrong = CALL.replace('"ls"', '"ls", "shell": "zsh"')
    request = {"tools": [{**BASH, "input_schema": {**BASH["input_schema"], "additionalProperties": False}}]}
    [events] = await events_of(reply(Says(wrong, 3)), request=request)
    assert blocks(events) == [("tool_use:Bash", '{"command":"ls"}')]
    for answer, change in ((wrong, {"repairs": False}), (CALL.replace('"command"', '"path"'), {})):
        [events] = await events_of(reply(Says(answer, 3)), request=request, **change)
        assert blocks(events) == [("text", answer)]


async def test_it_can_be_turned_off() -> None:
    [events] = await events_of(reply(Says(CALL, 5)), text_calls=False)
    assert blocks(events) == [("text", CALL)]
    assert stop_reason(events)[0] == "end_turn"


async def test_without_tools_text_is_text() -> None:
    request = {"tools": [BASH], "tool_choice": {"type": "none"}}
    async with OpenAIUpstream() as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        async with talking_to(backend) as client:
            events = await client.events(**request)
    assert all(kind == "text" for kind, _ in blocks(events))


async def test_thinking_that_the_template_opened() -> None:
    [events] = await events_of(reply(Says("Hm.\n</think>\n\nYes.", 5)), thinking_opened=True)
    assert blocks(events) == [("thinking", "Hm.\n"), ("text", "Yes.")]


async def test_ids_are_new_in_every_answer() -> None:
    answers = await events_of(reply(Says(CALL + CALL, 2)), reply(Says(CALL, 2)))
    starts = [
        event["content_block"] for events in answers for event in events if event["type"] == "content_block_start"
    ]
    assert len({block["id"] for block in starts}) == 3
    assert all(isinstance(block["id"], str) and ToolCallStart(block["id"], "Bash").id for block in starts)
