"""Handing on: the way of a request to Claude itself, and of its answer back, byte for byte.

Nothing is rewritten. A second pair of eyes reads the stream beside: it fills the trace, and it knows whether the answer
ended as one ends. One that did not is ended for the client as it ended for us, by a connection that breaks, so that
Claude Code asks again instead of taking half an answer for a whole one.
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
from anyclaude.errors import AnyclaudeError, GrammarError, MethodNotAllowed, NotFound, UpstreamBroken
from anyclaude.server.guards import PRECONNECT
from anyclaude.server.keys import DRAIN, FAILURE, GUARDS, RECORDER, ROUTER
from anyclaude.trace.record import NoRecording, Recorder
from anyclaude.wire.grammar import Grammar
from anyclaude.wire.json import decode_lenient
from anyclaude.wire.sse import ServerEvent, SseDecoder

log = logging.getLogger(__name__)

_TRUNCATED: Final = "Claude's answer ended before it was complete"
_LAST: Final = ("message_stop", "error")
_SERVED: Final = ("/messages", "/models", "/v1/messages", "/v1/models")
_BODILESS: Final = (204, 304)


async def pass_through(
    request: web.Request, router: Router, plan: Plan, body: dict[str, Any], caller: Caller
) -> web.StreamResponse | None:
    """Answer with what Claude answers, as it comes. None when it failed and others are left to be asked.

    Raises UpstreamError when Claude is not reached and nobody else is left.
    """
    async with router.relay(plan, body, caller) as answer:
        if answer is None:
            return None
        watch = Watch(request[RECORDER]) if _is_stream(answer) else None
        return await _hand_on(request, answer, watch)


async def count_directly(
    request: web.Request, router: Router, plan: Plan, body: dict[str, Any], caller: Caller
) -> web.StreamResponse:
    """POST /v1/messages/count_tokens, answered by Claude. Raises UpstreamError when it is not reached."""
    only = replace(plan, candidates=plan.candidates[:1])  # a count by another model would be another count
    async with router.relay(only, body, caller) as answer:
        assert answer is not None  # with one candidate there is an answer, or an error
        return await _hand_on(request, answer, None)


async def relay_other(request: web.Request) -> web.StreamResponse:
    """Any other endpoint of Claude's, when the main route leads there. Raises NotFound or MethodNotAllowed else."""
    router = request.app[ROUTER]
    plan = router.plan({}, Caller())
    if not router.relays(plan):
        raise _unknown(request.path)
    headers = request.app[GUARDS].without_token(tuple(request.headers.items()))
    caller = Caller(raw=raw_request(request, headers, await request.read()))
    target = replace(plan.candidates[0], model=None)  # what is no Messages request gets no model put into it
    return await count_directly(request, router, replace(plan, candidates=(target,)), {}, caller)


def _unknown(path: str) -> AnyclaudeError:
    if path in PRECONNECT or path.removeprefix("/v1").startswith(_SERVED):
        return MethodNotAllowed("this endpoint does not take that method")
    return NotFound("there is no such endpoint; this proxy serves /v1/messages and /v1/models")


def raw_request(request: web.Request, headers: Sequence[tuple[str, str]], body: bytes) -> RawRequest:
    """The request as it is handed on. aiohttp has undone the body's encoding, so that header goes."""
    kept = tuple((name, value) for name, value in headers if name.lower() != "content-encoding")
    return RawRequest(request.method, request.path_qs, kept, body)


class Watch:
    """Reads a stream beside the one that is handed on. `whole`: its last event was there."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._decoder: SseDecoder | None = SseDecoder()
        self._grammar: Grammar | None = Grammar()
        self._begun = False
        self.whole = False

    def feed(self, read: bytes) -> None:
        """Take what was read. Never raises: what cannot be understood ends the watching, not the answer."""
        if self._decoder is None:
            return
        try:
            events = self._decoder.feed(read)
        except UpstreamBroken as error:
            log.warning("the stream is no longer watched: %s", error.message)
            self._decoder, self.whole = None, True
            return
        self._take([decoded for event in events if (decoded := _decoded(event)) is not None])

    def _take(self, events: list[Mapping[str, Any]]) -> None:
        if events and not self._begun:
            self._begun = True
            self._recorder.mark("first_event")
        self.whole = self.whole or any(event["type"] in _LAST for event in events)
        for event in events:
            self._check(event)
        if self._grammar is not None:
            self._recorder.feed(events)

    def _check(self, event: Mapping[str, Any]) -> None:
        """Only what the grammar knows is told to the trace: it folds what it is told."""
        if self._grammar is None:
            return
        try:
            self._grammar.feed(event)
        except (GrammarError, KeyError, TypeError, AttributeError) as error:
            log.info("Claude's stream has something that is not known here: %s", error)
            self._recorder.note("warning", text="the stream holds events that are not known here")
            self._grammar = None


def _decoded(event: ServerEvent) -> Mapping[str, Any] | None:
    value = decode_lenient(event.data)
    return value if isinstance(value, Mapping) and isinstance(value.get("type"), str) else None


def _is_stream(answer: RelayedAnswer) -> bool:
    kinds = [value for name, value in answer.headers if name.lower() == "content-type"]
    return answer.status == 200 and any(kind.startswith("text/event-stream") for kind in kinds)


async def _hand_on(request: web.Request, answer: RelayedAnswer, watch: Watch | None) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=CIMultiDict(answer.headers))
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


async def _pump(request: web.Request, response: web.StreamResponse, answer: RelayedAnswer, watch: Watch | None) -> None:
    """Every read as it comes. Raises UpstreamError when the answer breaks or is not whole."""
    if request.method == "HEAD" or answer.status in _BODILESS:
        return
    async for read in answer.reads():
        await response.write(read)
        if watch is not None:
            watch.feed(read)
    if watch is not None:
        watch.feed(b"\n\n")  # an event that lacks its blank line was said all the same
        if not watch.whole:
            raise UpstreamBroken(_TRUNCATED)


def _break(request: web.Request, reason: str) -> None:
    """End the connection without the end of the body. What was written before goes out first."""
    log.warning("the answer was cut: %s", reason)
    request[FAILURE] = reason
    recorder: Recorder = request.get(RECORDER) or NoRecording().begin("", "", {}, {})
    recorder.note("warning", text=f"truncated: {reason}")
    with suppress(ConnectionError):
        if request.transport is not None:
            request.transport.close()
