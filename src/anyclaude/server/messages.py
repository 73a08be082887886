"""POST /v1/messages: the way of a request, from the client's bytes to the answer."""

import asyncio
import logging
import secrets
from typing import Any

from aiohttp import web

from anyclaude.backends.aside import aside
from anyclaude.backends.base import NO_JOURNAL, Caller
from anyclaude.backends.plans import Plan
from anyclaude.backends.router import Router
from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.convert.validate import validate_request
from anyclaude.errors import AnyclaudeError, InternalError, Overloaded, UpstreamBroken
from anyclaude.server.answers import StreamAnswer
from anyclaude.server.bounds import check_conversation, check_parts
from anyclaude.server.keys import (
    DRAIN,
    FAILURE,
    GUARDS,
    RECORDER,
    RECORDING,
    REDACTOR,
    REQUEST_ID,
    ROUTER,
    SILENCE,
)
from anyclaude.server.passthrough import count_directly, pass_through, raw_request
from anyclaude.server.uploads import read_whole
from anyclaude.wire.events import Failed
from anyclaude.wire.json import decode_object, encode

log = logging.getLogger(__name__)

_INCOMPLETE = "the answer ended before it was complete"


async def messages(request: web.Request) -> web.StreamResponse:
    """Answer a Messages request, streaming or not, with one and the same conversion."""
    raw = await read_whole(request)
    body = await aside(len(raw), _decoded, raw)
    request[RECORDER] = request.app[RECORDING].begin(request[REQUEST_ID], request.path_qs, request.headers, body)
    router, caller = request.app[ROUTER], _caller(request, raw)
    plan = router.plan(body, caller)
    if router.relays(plan):
        relayed = await pass_through(request, router, plan, body, caller)
        if relayed is not None:
            return relayed
        plan = plan.rest()
    await aside(len(raw), _check, body, len(raw))
    writer = MessageWriter(f"msg_{secrets.token_hex(12)}", body["model"])
    answer = _stream if body.get("stream") is True else _whole
    return await answer(request, plan, body, caller, writer)


async def count_tokens(request: web.Request) -> web.StreamResponse:
    """POST /v1/messages/count_tokens. A 404 here would make Claude Code count with completions instead."""
    raw = await read_whole(request)
    body = await aside(len(raw), _decoded, raw)
    router, caller = request.app[ROUTER], _caller(request, raw)
    if router.relays(plan := router.plan(body, caller)):
        return await count_directly(request, router, plan, body, caller)
    validate_request(body, max_tokens_required=False)
    check_conversation({"messages": [], **body}, len(raw))
    count = await router.count_tokens(body)
    return web.Response(body=encode({"input_tokens": count}), content_type="application/json")


def _decoded(raw: bytes) -> dict[str, Any]:
    check_parts(raw)
    return decode_object(raw)


def _check(body: dict[str, Any], size: int) -> None:
    validate_request(body)
    check_conversation(body, size)


async def _stream(
    request: web.Request, plan: Plan, body: dict[str, Any], caller: Caller, writer: MessageWriter
) -> web.StreamResponse:
    answer = StreamAnswer(request, writer, request[RECORDER], request[REQUEST_ID], request.app[SILENCE])
    async with answer.kept_alive():
        try:
            await _pass_on(request.app[ROUTER], plan, body, caller, answer)
        except AnyclaudeError as error:
            if not answer.begun:
                raise
            log.warning("the answer ended in an error: %s", error.message)
            await _fail(request, answer, error)
        except asyncio.CancelledError:
            if not (request.app[DRAIN].over and answer.begun):
                raise
            await _fail(request, answer, Overloaded("anyclaude was stopped before the answer was complete"))
        except ConnectionError:
            raise  # the client has left
        except Exception:  # the client must learn that its answer is not whole
            if not answer.begun:
                raise
            log.exception("a fault of our own in mid-answer")
            await _fail(request, answer, InternalError("anyclaude failed in mid-answer; its log has the details"))
    return await answer.close()


async def _fail(request: web.Request, answer: StreamAnswer, error: AnyclaudeError) -> None:
    """End an answer that has begun in an error, unless it is whole already."""
    error.message = request.app[REDACTOR].text(error.message)  # it may quote a model server
    if not answer.over:
        request[FAILURE] = error.message
    await answer.write([Failed(error)])


async def _pass_on(router: Router, plan: Plan, body: dict[str, Any], caller: Caller, answer: StreamAnswer) -> None:
    """Pass on what the model does, batch by batch. Raises the upstream's error."""
    async with router.follow(plan, body, caller) as batches:
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


async def _whole(
    request: web.Request, plan: Plan, body: dict[str, Any], caller: Caller, writer: MessageWriter
) -> web.Response:
    """The fold of the same events, as one JSON message."""
    fold = MessageFold()
    recorder = request[RECORDER]
    start = writer.start()
    fold.feed([start])
    recorder.feed([start])
    async with request.app[ROUTER].follow(plan, body, caller) as batches:
        async for batch in batches:
            if batch and isinstance(last := batch[-1], Failed):
                raise last.error
            events = writer.feed(batch)
            recorder.feed(events)
            fold.feed(events)
    if not writer.over:
        raise UpstreamBroken(_INCOMPLETE)
    return web.Response(body=encode(fold.message()), content_type="application/json")


def _caller(request: web.Request, body: bytes) -> Caller:
    headers = request.headers
    raw = raw_request(request, request.app[GUARDS].without_token(tuple(headers.items())), body)
    session_id, agent_id = headers.get("X-Claude-Code-Session-Id"), headers.get("x-claude-code-agent-id")
    journal = request.get(RECORDER, NO_JOURNAL)
    return Caller(session_id, agent_id, journal, raw)
