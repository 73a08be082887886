"""A node with few places, which refuses whoever comes when they are taken, and answers when the test says so."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Refusal, Says, chunks, reply


class NarrowNode(OpenAIUpstream):
    """retry_after: seconds that a refusal asks for; None: it says none. status: of a refusal.

    let_in: what was asked (the last user text), in the order in which it was let in; `refused` counts the others.
    """

    def __init__(self, places: int = 1, retry_after: int | None = 60, status: int = 429) -> None:
        super().__init__()
        self.places = places
        self.retry_after = retry_after
        self.status = status
        self.let_in: list[str] = []
        self.refused = 0
        self._here: dict[str, asyncio.Event] = {}

    def answer(self, text: str) -> None:
        """Let the answer to this question go."""
        self._here[text].set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Return when something is so. The test's timeout bounds the wait."""
        while not reached():  # noqa: ASYNC110 (what is looked at has no event)
            await asyncio.sleep(0.001)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(await request.json(), dict(request.headers))
        if len(self._here) >= self.places:
            self.refused += 1
            headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}
            return web.json_response(Refusal(self.status, "full").as_json(), status=self.status, headers=headers)
        return await self._answered(request, asked.texts("user")[-1])

    async def _answered(self, request: web.Request, text: str) -> web.StreamResponse:
        self.let_in.append(text)
        released = self._here[text] = asyncio.Event()
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await released.wait()
        finally:
            self._here.pop(text, None)
        for chunk in chunks(reply(Says(f"answer to {text}")), self.model, "chatcmpl-1"):
            assert isinstance(chunk, dict)
            await response.write(self._frame(chunk))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response
