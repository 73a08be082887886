"""The end of every request: how it went, told once to its recorder and to the log, also for a client that left."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from anyclaude.config.debug import BASIC
from anyclaude.server.keys import FAILURE, RECORDER

log = logging.getLogger(__name__)

CLIENT_LEFT: Final = 499
"""nginx's status for a client that closed the connection before its answer was whole."""


@web.middleware
async def recorded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Stands around everything else, so that every refusal is an answer by now."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        response = await handler(request)
    except BaseException:  # a cancel above all: the client has left
        _finish(request, CLIENT_LEFT, "left", clock() - began)
        raise
    _finish(request, response.status, "error" if FAILURE in request else "complete", clock() - began)
    return response


def _finish(request: web.Request, status: int, outcome: str, seconds: float) -> None:
    log.log(BASIC, "%s %s -> %d %s, %d ms", request.method, request.path, status, outcome, seconds * 1000)
    if RECORDER in request:
        request[RECORDER].finish(status, outcome, request.get(FAILURE))
