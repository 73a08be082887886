"""A real OpenAI-compatible HTTP server that follows a script, in the role of LM Studio.

    async with OpenAIUpstream() as upstream:
        upstream.script(
            reply(calls("Read", file_path="a.txt")),
            lambda asked: reply(Says(f"It says {asked.tool_results()[-1]}")),
        )
        ...
        assert upstream.asked[1].tool_results() == ["hello"]

A script speaks about main turns alone: requests without tools (Claude Code's title, a token count) are
answered in their own way and kept in `side`. A request beyond the script is refused with a 400, which Claude
Code shows and does not repeat, and fails the test on leaving.
"""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.script import JsonObject, Refusal, Reply, Says, chunks, reply

MODEL = "scripted-model"
Line = Reply | Refusal | Callable[["Asked"], Reply | Refusal]


@dataclass
class Asked:
    """One request. `left` is set when the client goes away before the end, `answered` at the end."""

    body: dict[str, Any]
    headers: dict[str, str]
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages

    @property
    def tool_names(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools", [])]

    def texts(self, role: str) -> list[str]:
        """The text of every message of that role; parts that are no text are left out."""
        return [text_of(message) for message in self.messages if message["role"] == role]

    def tool_results(self) -> list[str]:
        return self.texts("tool")

    def tool_calls(self) -> list[dict[str, Any]]:
        """The calls of the last assistant message that made any: name and arguments, decoded."""
        for message in reversed(self.messages):
            if message.get("tool_calls"):
                return [_decoded(call["function"]) for call in message["tool_calls"]]
        return []


class OpenAIUpstream:
    """Serves on a free loopback port between `async with` and its end. listed: further entries of LM Studio's list."""

    def __init__(self, model: str = MODEL, context_window: int = 262_144, *, images: bool = True) -> None:
        self.model = model
        self.context_window = context_window
        self.images = images
        self.listed: list[dict[str, Any]] = []
        self.asked: list[Asked] = []
        self.side: list[Asked] = []
        self.unscripted: list[Asked] = []
        self._lines: list[Line] = []
        self._standing: Callable[[Asked], Reply | Refusal] | None = None
        self._failed: AssertionError | None = None
        self._arrived = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._runner = web.AppRunner(self._app(), handler_cancellation=True, access_log=None, shutdown_timeout=1)

    @property
    def url(self) -> str:
        """The base URL, `/v1` included."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/v1"

    def script(self, *lines: Line) -> None:
        """Append what the next main turns are answered with. A function sees the request first."""
        self._lines.extend(lines)

    def play(self, line: Callable[[Asked], Reply | Refusal]) -> None:
        """Answer every main turn beyond the script like this."""
        self._standing = line

    async def turn(self, number: int) -> Asked:
        """The main request of that number, from 1, once it has come. The test's timeout bounds the wait."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.asked) >= number)
        return self.asked[number - 1]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise AssertionError when the script was not kept."""
        if self._failed is not None:
            raise self._failed
        extra = [asked.messages[-1] for asked in self.unscripted]
        assert not extra, f"not in the script: {extra}"
        assert not self._lines, f"{len(self._lines)} lines of the script were never asked for"

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/api/v0/models", self._models_v0)
        return app

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.model, "object": "model"}]})

    async def _models_v0(self, _: web.Request) -> web.Response:
        """LM Studio's own list: the only place where it says how long a context is loaded, and what the model sees."""
        window = self.context_window
        model = {
            "id": self.model,
            "object": "model",
            "type": "vlm" if self.images else "llm",
            "state": "loaded",
            "capabilities": ["tool_use"],
        }
        windows = {"max_context_length": window, "loaded_context_length": window}
        return web.json_response({"object": "list", "data": [model | windows, *self.listed]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(await request.json(), dict(request.headers))
        line = await self._next_line(asked)
        if isinstance(line, Refusal):
            asked.answered.set()
            return web.json_response(line.as_json(), status=line.status, headers=dict(line.headers))
        try:
            return await self._stream(request, asked, line)
        except (asyncio.CancelledError, ConnectionError):
            asked.left.set()
            raise

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        if not asked.body.get("stream"):
            return Refusal(400, "this upstream only streams")
        if not asked.body.get("tools"):
            self.side.append(asked)
            return side_answer(asked)
        async with self._arrived:
            self.asked.append(asked)
            self._arrived.notify_all()
        if not self._lines and self._standing is not None:
            return self._said(self._standing, asked)
        if not self._lines:
            self.unscripted.append(asked)
            return Refusal(400, "the script has no more lines")
        line = self._lines.pop(0)
        return self._said(line, asked) if callable(line) else line

    def _said(self, line: Callable[[Asked], Reply | Refusal], asked: Asked) -> Reply | Refusal:
        """What a line that sees the request answers; what it asserts in vain fails the test, not the server."""
        try:
            return line(asked)
        except AssertionError as error:
            self._failed = self._failed or error
            return Refusal(400, f"the script asserted: {error}")

    def _frame(self, chunk: JsonObject) -> bytes:
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    async def _stream(self, request: web.Request, asked: Asked, answer: Reply) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in chunks(answer, self.model, f"chatcmpl-{next(self._numbers)}"):
            if chunk == "wait":
                asked.streaming.set()
                await asyncio.Event().wait()
            elif chunk == "abort":
                _abort(request)
                return response
            elif chunk != "end":
                await response.write(self._frame(chunk))
                asked.streaming.set()
            else:
                await response.write_eof()
                return response
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        asked.answered.set()
        return response


def side_answer(asked: Asked) -> Reply:
    """What a request without tools gets: JSON where a schema is asked for (as for a title), else one word."""
    shape = asked.body.get("response_format", {}).get("json_schema", {}).get("schema")
    if shape is None:
        return reply(Says("ok"))
    return reply(Says(json.dumps(dict.fromkeys(shape.get("properties", {}), "A scripted title"))))


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def text_of(message: dict[str, Any]) -> str:
    """Parts that are no text are left out."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _decoded(function: dict[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "arguments": json.loads(function["arguments"])}
