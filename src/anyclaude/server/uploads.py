"""Bodies of requests. Of what is only handed on, such as a file, a small one is held, a large one goes on as it comes.

So memory is bounded, and a client is read from no faster than Claude takes. What has to come has a deadline.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from anyclaude.errors import AnyclaudeError, RequestTooLarge, RequestTooSlow
from anyclaude.server.keys import PATIENCE

LARGEST_UPLOAD: Final = 512 * 1024 * 1024
"""Bytes. Anthropic takes files of 500 MB: https://docs.claude.com/en/docs/build-with-claude/files"""

HELD: Final = 1024 * 1024
"""Bytes of a body that is read whole before it goes on, so that it can be sent again on a connection that died."""


async def read_whole(request: web.Request) -> bytes:
    """A body that is held. Raises RequestTooSlow; aiohttp's own 413 for one that is too large."""
    try:
        async with asyncio.timeout(request.app[PATIENCE].body):
            return await request.read()
    except TimeoutError:
        raise RequestTooSlow("the body of the request did not come in time") from None


class Upload:
    """The body of one request, to be iterated once. length: bytes, None when that is not known beforehand.

    refusal: why it stopped in the middle, for whoever sees only a broken request.
    """

    def __init__(self, request: web.Request, largest: int = LARGEST_UPLOAD) -> None:
        encoded = "Content-Encoding" in request.headers  # the length is that of the encoded body
        self.length = None if encoded else request.content_length
        self.refusal: AnyclaudeError | None = None
        self._content = request.content
        self._largest = largest
        self._seconds = request.app[PATIENCE].body
        if (request.content_length or 0) > largest:
            raise self._too_large()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        room = self._largest
        while piece := await self._next():
            room -= len(piece)
            if room < 0:
                self.refusal = self._too_large()
                raise self.refusal
            yield piece

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._content.readany()
        except TimeoutError:
            self.refusal = RequestTooSlow("the body of the request did not go on in time")
            raise self.refusal from None

    def _too_large(self) -> AnyclaudeError:
        return RequestTooLarge(f"the request is larger than {self._largest} bytes")


def is_held(request: web.Request) -> bool:
    """Whether a body is small enough to be read whole."""
    if not request.body_exists:
        return True
    return "Content-Encoding" not in request.headers and (request.content_length or HELD + 1) <= HELD
