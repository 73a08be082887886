"""The end of every request that has a recorder: how it went, told once, also for a client that left."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from anyclaude.server.keys import FAILURE, RECORDER

CLIENT_LEFT: Final = 499
"""nginx's status for a client that closed the connection before its answer was whole."""


@web.middleware
async def recorded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Stands around everything else, so that every refusal is an answer by now."""
    try:
        response = await handler(request)
    except BaseException:  # a cancel above all: the client has left
        _finish(request, CLIENT_LEFT, "left")
        raise
    _finish(request, response.status, "error" if FAILURE in request else "complete")
    return response


def _finish(request: web.Request, status: int, outcome: str) -> None:
    if RECORDER in request:
        request[RECORDER].finish(status, outcome, request.get(FAILURE))
