"""A relay in front of a real server: hands every request on as it came, and keeps what models were asked.

    async with Relay(server_url) as relay:
        ...
        assert relay.asked[1].tool_results() == ["hello"]

A client that leaves takes its connection to the server with it, as it would without a relay.
"""

import asyncio
import json
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from tests.support.meeting import Gathering
from tests.support.openai_upstream import Asked

_ASKING = "/chat/completions"
_HOPS = {"host", "connection", "transfer-encoding", "content-length", "keep-alive"}


class Relay:
    """asked: the requests with tools, in the order of their arrival. refused: how many were answered with 400.

    hold: an answer with these bytes in it stops there, until the client leaves. gathering: which requests wait for each
    other; None: none.
    """

    def __init__(self, origin: str) -> None:
        self.asked: list[Asked] = []
        self.refused = 0
        self.hold: bytes | None = None
        self.gathering: Gathering | None = None
        self._origin = origin
        self._runner = web.AppRunner(self._app(), handler_cancellation=True, access_log=None, shutdown_timeout=1)

    @property
    def url(self) -> str:
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None)
        self._client = aiohttp.ClientSession(timeout=timeout, auto_decompress=False, trust_env=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._client.close()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._hand_on)
        return app

    async def _hand_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(json.loads(body), dict(request.headers)) if request.path.endswith(_ASKING) else None
        if asked is None:
            return await self._answered(request, body, None)
        if asked.body.get("tools"):
            self.asked.append(asked)
        if self.gathering is not None:
            await self.gathering.join(asked)
        try:
            return await self._answered(request, body, asked)
        except asyncio.CancelledError:
            asked.left.set()
            raise
        except ConnectionError:
            asked.left.set()
            return web.Response(status=502)  # which nobody hears

    async def _answered(self, request: web.Request, body: bytes, asked: Asked | None) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOPS}
        url = self._origin + request.raw_path
        async with self._client.request(request.method, url, data=body or None, headers=headers) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOPS]
            self.refused += answer.status == 400 and asked is not None
            response = web.StreamResponse(status=answer.status, headers=dict(kept))
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
                if asked is not None:
                    await self._seen(asked, piece)
            await response.write_eof()
        if asked is not None:
            asked.answered.set()
        return response

    async def _seen(self, asked: Asked, piece: bytes) -> None:
        asked.streaming.set()
        if self.hold is not None and self.hold in piece:
            await asyncio.Event().wait()
