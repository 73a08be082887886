"""POST /v1/messages: the way of a request, from the client's bytes to the answer."""

import asyncio
import logging
import secrets
from typing import Any

from aiohttp import web

from anyclaude.backends.base import Backend, Caller
from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.convert.validate import validate_request
from anyclaude.errors import AnyclaudeError, InternalError, Overloaded, UpstreamBroken
from anyclaude.server.answers import StreamAnswer
from anyclaude.server.keys import BACKEND, DRAIN, REQUEST_ID, SILENCE
from anyclaude.wire.events import Failed
from anyclaude.wire.json import decode_object, encode

log = logging.getLogger(__name__)

_INCOMPLETE = "the answer ended before it was complete"


async def messages(request: web.Request) -> web.StreamResponse:
    """Answer a Messages request, streaming or not, with one and the same conversion."""
    body = decode_object(await request.read())
    validate_request(body)
    writer = MessageWriter(f"msg_{secrets.token_hex(12)}", body["model"])
    if body.get("stream") is True:
        return await _stream(request, body, writer)
    return await _whole(request, body, writer)


async def count_tokens(request: web.Request) -> web.Response:
    """POST /v1/messages/count_tokens. A 404 here would make Claude Code count with completions instead."""
    body = decode_object(await request.read())
    validate_request(body, max_tokens_required=False)
    count = await request.app[BACKEND].count_tokens(body)
    return web.Response(body=encode({"input_tokens": count}), content_type="application/json")


async def _stream(request: web.Request, body: dict[str, Any], writer: MessageWriter) -> web.StreamResponse:
    answer = StreamAnswer(request, writer, request[REQUEST_ID], request.app[SILENCE])
    async with answer.kept_alive():
        try:
            await _pass_on(request.app[BACKEND], body, _caller(request), answer)
        except AnyclaudeError as error:
            if not answer.begun:
                raise
            log.warning("the answer ended in an error: %s", error.message)
            await answer.write([Failed(error)])
        except asyncio.CancelledError:
            if not (request.app[DRAIN].over and answer.begun):
                raise
            await answer.write([Failed(Overloaded("anyclaude was stopped before the answer was complete"))])
        except ConnectionError:
            raise  # the client has left
        except Exception:  # the client must learn that its answer is not whole
            if not answer.begun:
                raise
            log.exception("a fault of our own in mid-answer")
            await answer.write([Failed(InternalError("anyclaude failed in mid-answer; its log has the details"))])
    return await answer.close()


async def _pass_on(backend: Backend, body: dict[str, Any], caller: Caller, answer: StreamAnswer) -> None:
    """Pass on what the model does, batch by batch. Raises the upstream's error."""
    async with backend.stream(body, caller) as batches:
        async for batch in batches:
            if not batch:
                continue
            last = batch[-1]
            if isinstance(last, Failed):
                await answer.write(batch[:-1]) if answer.begun else None
                raise last.error
            await answer.write(batch)
    if not answer.over:
        raise UpstreamBroken(_INCOMPLETE)


async def _whole(request: web.Request, body: dict[str, Any], writer: MessageWriter) -> web.Response:
    """The fold of the same events, as one JSON message."""
    fold = MessageFold()
    fold.feed([writer.start()])
    async with request.app[BACKEND].stream(body, _caller(request)) as batches:
        async for batch in batches:
            if batch and isinstance(last := batch[-1], Failed):
                raise last.error
            fold.feed(writer.feed(batch))
    if not writer.over:
        raise UpstreamBroken(_INCOMPLETE)
    return web.Response(body=encode(fold.message()), content_type="application/json")


def _caller(request: web.Request) -> Caller:
    headers = request.headers
    return Caller(headers.get("X-Claude-Code-Session-Id"), headers.get("x-claude-code-agent-id"))
