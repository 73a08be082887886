"""A client's connection, where aiohttp's server leaves something open: how long a client may take, and what it is told.

- The head of a request has a deadline from its first byte on; one that comes too slowly gets a 408.
- A client that takes nothing of its answer for too long is let go: its connection is broken off, which cancels its
  request and closes the upstream. Until then it costs what the transport buffers, since each write waits for it.
- What cannot be read as HTTP is refused in Anthropic's shape. aiohttp answers it before any middleware of ours, in
  plain text, and quotes what it could not read: a token among it.

There is no public way to any of it, so aiohttp's runner, server and protocol are each changed in one place.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from anyclaude.errors import AnyclaudeError, InternalError, InvalidRequest, RequestTooSlow
from anyclaude.wire.json import encode


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a client may take. head: for the head of a request. body: for a body that is read whole, or to the
    next piece of one that is handed on.

    taking: until it takes something of what waits for it. A Claude Code that is stopped (Ctrl-Z) to go on later loses
    an answer only when more waits for it than the system buffers, which is some megabytes.
    """

    head: float = 10.0
    body: float = 60.0
    taking: float = 60.0


PATIENT: Final = Patience()


class Runner(web.AppRunner):
    """As aiohttp's."""

    def __init__(self, app: web.Application, patience: Patience = PATIENT, **options: Any) -> None:
        super().__init__(app, **options)
        self._patience = patience

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        server.patience = self._patience  # type: ignore[attr-defined]
        return server


class _Server(web.Server):
    patience: Patience

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, self.patience, loop=self._loop, **self._kwargs)


class _Protocol(web.RequestHandler):
    __slots__ = ("_full", "_patience", "_slow")

    def __init__(self, server: web.Server, patience: Patience, **options: Any) -> None:
        super().__init__(server, **options)
        self._patience = patience
        self._slow: asyncio.TimerHandle | None = None  # a head has begun
        self._full: asyncio.TimerHandle | None = None  # the client takes nothing

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            _cancel(self._slow)
            self._slow = None
        elif data and self._slow is None and self._expects_a_head():
            self._slow = self._loop.call_later(self._patience.head, self._give_up)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._full)

    def connection_lost(self, exc: BaseException | None) -> None:
        _cancel(self._slow)
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """What is left of an answer may wait in the transport though nobody waits for it any more.

        An exception as the answer is one of aiohttp's own that no middleware saw, such as its 417.
        """
        if isinstance(resp, web.HTTPException):
            resp = _told(InvalidRequest(f"the request is refused: {resp.reason}"), resp.status)
        finished = await super().finish_response(request, resp, start_time)
        self._watch()
        return finished

    def force_close(self) -> None:
        self._watch()
        super().force_close()

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
        return _told(error, status)

    def _expects_a_head(self) -> bool:
        return self._request_count == 0 or (self._waiter is not None and not self._waiter.done())

    def _give_up(self) -> None:
        self._slow = None
        if self.transport is not None:
            self.transport.write(_TOO_SLOW)
        self.force_close()

    def _watch(self) -> None:
        """Break the connection when what the client has to take now is not taken in time."""
        transport = self.transport
        if transport is not None and transport.get_write_buffer_size():
            _cancel(self._full)
            self._full = self._loop.call_later(self._patience.taking, self._break, transport, self._request_count)

    def _break(self, transport: asyncio.Transport, request_count: int) -> None:
        """Unless it was only about an answer that has gone out since."""
        if transport.get_write_buffer_size() and (self._paused or self._request_count == request_count):
            transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _told(error: AnyclaudeError, status: int) -> web.Response:
    response = web.Response(body=encode(error.body()), status=status, content_type="application/json")
    response.force_close()
    return response


def _whole(error: AnyclaudeError) -> bytes:
    """An answer that no request is there for."""
    body = encode(error.body())
    head = f"HTTP/1.1 {error.status} Refused\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


_TOO_SLOW: Final = _whole(RequestTooSlow("the head of the request did not come in time"))
