"""What cannot be read as HTTP is refused in Anthropic's shape, without repeating it.

aiohttp answers it before any middleware of ours, in plain text, and quotes what it could not read: a token among it.
There is no public way to say it otherwise, so its runner, server and protocol are each changed in one place.
"""

from aiohttp import web

from anyclaude.errors import AnyclaudeError, InternalError, InvalidRequest
from anyclaude.wire.json import encode


class Runner(web.AppRunner):
    """As aiohttp's."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        return server


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Also logs it, and raises ConnectionError when an answer has begun."""
        status = super().handle_error(request, status, exc, message).status
        error: AnyclaudeError = InternalError("anyclaude failed on this request; its log has the details")
        if status < 500:
            error = InvalidRequest("this is not a request in HTTP/1.1; its connection is closed")
        response = web.Response(body=encode(error.body()), status=status, content_type="application/json")
        response.force_close()
        return response
