"""An upstream that says one word, and the rest when it is released: what is under way when something ends."""

import asyncio
import json
from typing import Self

from aiohttp import web

QUESTION = {"model": "x", "max_tokens": 10, "stream": True, "messages": [{"role": "user", "content": "hi"}]}


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


class HeldUpstream:
    """Every answer waits for `released`."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "held"}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_chunk({"content": "one "}))
        await self.released.wait()
        await response.write(_chunk({"content": "two"}) + _chunk({}, "stop") + b"data: [DONE]\n\n")
        return response
