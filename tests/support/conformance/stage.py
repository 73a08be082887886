"""What the conformance points run on: the real Claude Code, behind the real proxy or face to face with a played Claude.

A point is a function that runs Claude Code, asserts what the project counts on, and says in one line what it saw.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.anthropic_upstream import (
    AnthropicUpstream,
    Play,
    Received,
    answers,
    anthropic_upstream,
    frame,
    message,
    says,
    streams,
)
from tests.support.claude_code import Answer, ClaudeCode, ask_directly
from tests.support.openai_upstream import OpenAIUpstream

MODEL = "scripted-model"
LONG_ENOUGH_FOR_A_TITLE = "Please look at the garden behind our house and tell me what to plant there in spring"
DEADLINE = 100.0  # seconds for one run of Claude Code

Json = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """An empty folder for one point."""

    folder: Path

    @asynccontextmanager
    async def proxied(self, upstream: OpenAIUpstream | None = None, **environ: str) -> AsyncIterator["Proxied"]:
        """Claude Code behind the proxy on a scripted OpenAI server, with traces."""
        async with upstream or OpenAIUpstream() as server:
            yield Proxied(ClaudeCode(self.folder, LMSTUDIO_URL=server.url, ANYCLAUDE_DEBUG="3", **environ), server)

    async def alone(self, prompt: str, *plays: Play, counts: bool = True, **environ: str) -> "Alone":
        """Claude Code by itself on a played Claude, which answers one main request after the other with `plays`.

        counts: whether that Claude counts tokens, or answers such a request with a 404.
        """
        claude = ClaudeCode(self.folder)
        async with anthropic_upstream(_one_after_the_other(plays, counts)) as far:
            named = {"ANTHROPIC_BASE_URL": far.url, "ANTHROPIC_AUTH_TOKEN": "played", "ANTHROPIC_MODEL": MODEL}
            answer = await ask_directly({**claude.environ, **named, **environ}, claude.work, prompt, DEADLINE)
        return Alone(answer, far)


@dataclass(frozen=True)
class Proxied:
    claude: ClaudeCode
    upstream: OpenAIUpstream

    async def ask(self, prompt: str, *arguments: str) -> Answer:
        return await self.claude.ask(prompt, *arguments, deadline=DEADLINE)

    def requests(self, *, main: bool = True) -> list[Json]:
        """The bodies that Claude Code sent to the proxy, those with tools or those without, from the traces."""
        records = self.records()
        bodies = [record["request"]["body"] for record in sorted(records, key=lambda record: str(record["time"]))]
        return [body for body in bodies if bool(body.get("tools")) is main]

    def records(self) -> list[Json]:
        folder = self.claude.home / ".anyclaude/traces/lmstudio"
        return [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]


@dataclass(frozen=True)
class Alone:
    answer: Answer
    far: AnthropicUpstream

    @property
    def requests(self) -> list[Json]:
        """The bodies of the main requests in the order they came."""
        bodies = [json.loads(received.body) for received in self.far.to("/v1/messages")]
        return [body for body in bodies if body.get("tools")]


@dataclass(frozen=True)
class Point:
    """number: of the list in docs/development/conformance.md. check: returns what was seen; raises AssertionError."""

    number: int
    title: str
    check: Callable[[Stage], Awaitable[str]]


def stream(*events: Mapping[str, Any]) -> bytes:
    """A stream of these events between a start without usage and a proper end."""
    start = {"type": "message_start", "message": message(stop_reason=None) | {"usage": {"input_tokens": 0}}}
    return b"".join(map(frame, (start, *events, ending(), {"type": "message_stop"})))


def ending(**usage: int) -> Json:
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 1, **usage}}


def text(index: int, said: str, *, closed: bool = True) -> list[Json]:
    delta = {"type": "text_delta", "text": said}
    return _block(index, {"type": "text", "text": ""}, [delta], closed)


def call(index: int, call_id: str, in_start: Json, in_deltas: str = "") -> list[Json]:
    """A call of Bash. in_start: the input that its first event has; in_deltas: the JSON that comes in pieces."""
    block = {"type": "tool_use", "id": call_id, "name": "Bash", "input": in_start}
    deltas: list[Json] = [{"type": "input_json_delta", "partial_json": in_deltas}] if in_deltas else []
    return _block(index, block, deltas, closed=True)


def _block(index: int, block: Json, deltas: Sequence[Json], closed: bool) -> list[Json]:
    start = {"type": "content_block_start", "index": index, "content_block": block}
    pieces = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [start, *pieces, *([{"type": "content_block_stop", "index": index}] if closed else [])]


def plays(*events: Mapping[str, Any]) -> Play:
    return streams(stream(*events))


def blocks_of(request: Json) -> list[Json]:
    """All content blocks of a request's messages."""
    contents = [one["content"] for one in request["messages"]]
    return [block for content in contents if isinstance(content, list) for block in content]


def _one_after_the_other(plays: Sequence[Play], counts: bool) -> Play:
    left = list(plays)
    missing = answers({"type": "error", "error": {"type": "not_found_error", "message": "Not found"}}, 404)

    async def play(received: Received) -> None:
        if "count_tokens" in received.target and not counts:
            await missing(received)
        elif received.target.startswith("/v1/messages?") and json.loads(received.body).get("tools") and left:
            await left.pop(0)(received)
        else:
            await says("Beyond the script.")(received)

    return play
