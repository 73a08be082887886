"""Handing on: the way of a request to Claude itself, and of its answer back, byte for byte.

Nothing of an answer is rewritten. A second pair of eyes reads it beside (`server.watch`): it fills the trace, and it
knows whether the answer ended as one ends. One that did not is ended for the client as it ended for us, by a connection
that breaks, so that Claude Code asks again instead of taking half an answer for a whole one. Of a request only what
other models left in it is taken out (`convert.foreign`), because Claude would refuse all of it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDict

from anyclaude.backends.base import Caller, RawRequest, RelayedAnswer
from anyclaude.backends.plans import Plan
from anyclaude.backends.router import Router
from anyclaude.convert.foreign import fit_for_claude
from anyclaude.errors import AnyclaudeError, MethodNotAllowed, NotFound, UpstreamError
from anyclaude.server.guards import PRECONNECT
from anyclaude.server.keys import DRAIN, FAILURE, GUARDS, RECORDER, ROUTER
from anyclaude.server.uploads import Upload, is_held, read_whole
from anyclaude.server.watch import StreamWatch, Watch, WholeWatch
from anyclaude.trace.record import NoRecording, Recorder
from anyclaude.wire.json import encode

log = logging.getLogger(__name__)

_SERVED: Final = ("/messages", "/models", "/v1/messages", "/v1/models")
_BODILESS: Final = (204, 304)


async def pass_through(
    request: web.Request, router: Router, plan: Plan, body: dict[str, Any], caller: Caller
) -> web.StreamResponse | None:
    """Answer with what Claude answers, as it comes. None when it failed and others are left to be asked.

    Raises UpstreamError when Claude is not reached and nobody else is left.
    """
    async with router.relay(plan, *_fit(body, caller)) as answer:
        if answer is None:
            return None
        recorder = request[RECORDER]
        watch = StreamWatch(recorder) if _is_stream(answer) else WholeWatch(recorder, answer.status)
        return await _hand_on(request, answer, watch)


async def count_directly(
    request: web.Request, router: Router, plan: Plan, body: dict[str, Any], caller: Caller
) -> web.StreamResponse:
    """POST /v1/messages/count_tokens, answered by Claude. Raises UpstreamError when it is not reached."""
    only = replace(plan, candidates=plan.candidates[:1])  # a count by another model would be another count
    async with router.relay(only, *_fit(body, caller)) as answer:
        assert answer is not None  # with one candidate there is an answer, or an error
        return await _hand_on(request, answer, None)


async def relay_other(request: web.Request) -> web.StreamResponse:
    """Any other endpoint of Claude's, when the main route leads there. Raises NotFound or MethodNotAllowed else."""
    router = request.app[ROUTER]
    plan = router.plan({}, Caller())
    if not router.relays(plan):
        raise _unknown(request.path)
    target = replace(plan.candidates[0], model=None)  # what is no Messages request gets no model put into it
    only = replace(plan, candidates=(target,))
    headers = request.app[GUARDS].without_token(tuple(request.headers.items()))
    raw = raw_request(request, headers, await read_whole(request) if is_held(request) else b"")
    if is_held(request):
        return await count_directly(request, router, only, {}, Caller(raw=raw))
    upload = Upload(request)
    raw = replace(raw, upload=upload, length=upload.length)
    try:
        return await count_directly(request, router, only, {}, Caller(raw=raw))
    except UpstreamError as error:
        raise upload.refusal or error from error.__cause__


def _fit(body: Mapping[str, Any], caller: Caller) -> tuple[Mapping[str, Any], Caller]:
    """Body and caller without what Claude refuses of other models; both as they are where there is nothing of it."""
    fitted = fit_for_claude(body)
    if fitted is body or caller.raw is None:
        return body, caller
    caller.journal.note("repair", text="what other models left in the conversation was made fit for Claude")
    return fitted, replace(caller, raw=replace(caller.raw, body=encode(fitted)))


def _unknown(path: str) -> AnyclaudeError:
    if path in PRECONNECT or path.removeprefix("/v1").startswith(_SERVED):
        return MethodNotAllowed("this endpoint does not take that method")
    return NotFound("there is no such endpoint; this proxy serves /v1/messages and /v1/models")


def raw_request(request: web.Request, headers: Sequence[tuple[str, str]], body: bytes) -> RawRequest:
    """The request as it is handed on. aiohttp has undone the body's encoding, so that header goes."""
    kept = tuple((name, value) for name, value in headers if name.lower() != "content-encoding")
    return RawRequest(request.method, request.path_qs, kept, body)


def _is_stream(answer: RelayedAnswer) -> bool:
    kinds = [value for name, value in answer.headers if name.lower() == "content-type"]
    return answer.status == 200 and any(kind.startswith("text/event-stream") for kind in kinds)


async def _hand_on(request: web.Request, answer: RelayedAnswer, watch: Watch | None) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    await response.prepare(request)
    try:
        await _pump(request, response, answer, watch)
    except AnyclaudeError as error:
        _break(request, error.message)
    except asyncio.CancelledError:
        if not request.app[DRAIN].over:
            raise  # the client has left
        _break(request, "anyclaude was stopped before the answer was complete")
    return response


def _headers(answer: RelayedAnswer) -> CIMultiDict[str]:
    """A stream goes without its length: a client that has so many bytes would not see that it was cut."""
    dropped = "content-length" if _is_stream(answer) else ""
    return CIMultiDict([(name, value) for name, value in answer.headers if name.lower() != dropped])


async def _pump(request: web.Request, response: web.StreamResponse, answer: RelayedAnswer, watch: Watch | None) -> None:
    """Every read as it comes. Raises UpstreamError when the answer breaks or is not whole."""
    if request.method == "HEAD" or answer.status in _BODILESS:
        return
    try:
        await _every_read(response, answer, watch)
    except (UpstreamError, TimeoutError) as error:
        if watch is None or not watch.whole:
            raise
        log.info("behind the end of an answer its connection did not end well: %s", str(error) or "it stayed open")
    if watch is not None and (failure := watch.end()):
        request[FAILURE] = failure


async def _every_read(response: web.StreamResponse, answer: RelayedAnswer, watch: Watch | None) -> None:
    """Once the answer is whole its connection has a short time to end, so that it serves the next request too.

    Raises UpstreamError, and TimeoutError when that time is over.
    """
    clock = asyncio.get_running_loop().time
    async with asyncio.timeout(None) as ending:
        async for read in answer.reads():
            await response.write(read)
            if watch is not None:
                watch.feed(read)
                if watch.whole and ending.when() is None:
                    ending.reschedule(clock() + answer.closing)


def _break(request: web.Request, reason: str) -> None:
    """End the connection without the end of the body. What was written before goes out first."""
    log.warning("the answer was cut: %s", reason)
    request[FAILURE] = reason
    recorder: Recorder = request.get(RECORDER) or NoRecording().begin("", "", {}, {})
    recorder.note("warning", text=f"truncated: {reason}")
    with suppress(ConnectionError):
        if request.transport is not None:
            request.transport.close()
