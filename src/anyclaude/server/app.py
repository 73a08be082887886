"""The application: routes, and the one place where errors become answers."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from anyclaude.backends.base import Backend
from anyclaude.backends.router import alone
from anyclaude.errors import (
    AnyclaudeError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RequestTooLarge,
)
from anyclaude.server import answers, endpoints, messages, passthrough
from anyclaude.server.connections import PATIENT, Patience
from anyclaude.server.counting import CountingRecording
from anyclaude.server.drain import Drain
from anyclaude.server.figures import Figures
from anyclaude.server.guards import PRECONNECT, Guards
from anyclaude.server.keys import (
    DRAIN,
    FAILURE,
    FIGURES,
    GUARDS,
    METRICS,
    MODE,
    PATIENCE,
    RECORDING,
    REDACTOR,
    REQUEST_ID,
    ROUTER,
    SILENCE,
)
from anyclaude.server.metrics import Metrics
from anyclaude.server.recorded import recorded
from anyclaude.server.status import PATH, SESSION_PATH
from anyclaude.trace.record import NoRecording, Recording
from anyclaude.trace.redact import Redactor
from anyclaude.viewer.access import PREFIX
from anyclaude.wire.json import encode

LARGEST_REQUEST: Final = 64 * 1024 * 1024
"""Bytes. Anthropic takes 32 MB; conversations with images come near it."""

log = logging.getLogger(__name__)

_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Launched:
    """What is known of the launch beside the backend. secrets: all that must not be seen in what the proxy tells.

    home: where the proxy leaves a note so that it is found (`config.running`); None: nowhere.
    """

    mode: str = ""
    home: Path | None = None
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


UNKNOWN: Final = Launched()


def create_app(
    backend: Backend,
    token: str,
    *,
    silence: float = answers.SILENCE,
    recording: Recording | None = None,
    launched: Launched = UNKNOWN,
    patience: Patience = PATIENT,
    pages: web.Application | None = None,
) -> web.Application:
    """The proxy in front of one backend. Every request must carry the token.

    silence: seconds without a word to the client before a sign of life. recording: where traces go; None: nowhere.
    pages: `viewer.app`; None: this proxy shows none.
    """
    app = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[recorded, _answered])
    app[ROUTER] = alone(backend)
    _set_figures(app, recording or NoRecording(), launched, token)
    app[DRAIN] = Drain()
    app[SILENCE] = silence
    app[PATIENCE] = patience
    app[GUARDS] = Guards(token, LARGEST_REQUEST)
    for path in PRECONNECT:
        app.router.add_head(path, endpoints.preconnect)
    app.router.add_get("/health", endpoints.health, allow_head=False)
    app.router.add_get(PATH, endpoints.status, allow_head=False)
    app.router.add_get(f"{SESSION_PATH}/{{id}}", endpoints.session, allow_head=False)
    app.router.add_get("/metrics", endpoints.metrics, allow_head=False)
    for prefix in ("/v1", "/v1/v1"):  # the second for a base URL that ends in /v1
        app.router.add_post(f"{prefix}/messages", messages.messages)
        app.router.add_post(f"{prefix}/messages/count_tokens", messages.count_tokens)
        app.router.add_get(f"{prefix}/models", endpoints.models, allow_head=False)
        app.router.add_get(f"{prefix}/models/{{id:.+}}", endpoints.model, allow_head=False)
    for others in ("/v1/{path:.*}", "/api/{path:.*}"):
        app.router.add_route("*", others, passthrough.relay_other)
    if pages is not None:
        app.add_subapp(PREFIX, pages)
    return app


def _set_figures(app: web.Application, kept: Recording, launched: Launched, token: str) -> None:
    redactor = Redactor({*launched.secrets, token})
    figures = Figures(redactor)
    app[MODE], app[REDACTOR], app[FIGURES] = launched.mode, redactor, figures
    app[METRICS] = Metrics(launched.mode, figures, app[ROUTER].status)
    app[RECORDING] = CountingRecording(kept, figures)


@web.middleware
async def _answered(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Check, answer, and turn whatever is raised into Anthropic's error shape. A cancel passes through."""
    request[REQUEST_ID] = f"req_{secrets.token_hex(12)}"
    try:
        if not _is_page(request):
            request.app[GUARDS].check(request)
        with request.app[DRAIN].tracked():
            response = await handler(request)
    except AnyclaudeError as error:
        return _refusal(request, error)
    except web.HTTPException as error:
        return _refusal(request, _convert(error))
    except web.RequestPayloadError:
        refusal = _refusal(request, InvalidRequest("the body is not in the encoding that its headers name"))
        refusal.force_close()  # where the next request begins is not known
        return refusal
    except asyncio.CancelledError:
        if not request.app[DRAIN].over:
            raise  # the client has left
        return _refusal(request, Overloaded("anyclaude was stopped before the answer was complete"))
    except ConnectionError:
        raise  # the client is gone; nobody reads an answer
    except Exception:  # the outermost edge: the client gets an answer, the log gets the traceback
        log.exception("a fault of our own in %s %s", request.method, request.path)
        return _refusal(request, InternalError("anyclaude failed on this request; its log has the details"))
    if not response.prepared:
        response.headers["request-id"] = request[REQUEST_ID]
    return response


def _is_page(request: web.Request) -> bool:
    """Whether it goes to the application of the pages, which has guards of its own."""
    return len(request.match_info.apps) > 1


def _refusal(request: web.Request, error: AnyclaudeError) -> web.Response:
    log.info("%s %s -> %d: %s", request.method, request.path, error.status, error.message)
    error.message = request.app[REDACTOR].text(error.message)  # it may quote a model server
    request[FAILURE] = error.message
    headers = {**error.headers, "request-id": request[REQUEST_ID]}
    body = encode(error.body(request[REQUEST_ID]))
    return web.Response(body=body, status=error.status, headers=headers, content_type="application/json")


def _convert(error: web.HTTPException) -> AnyclaudeError:
    """aiohttp's own refusals."""
    match error.status:
        case 404:
            return NotFound("there is no such endpoint; this proxy serves /v1/messages and /v1/models")
        case 405:
            return MethodNotAllowed("this endpoint does not take that method")
        case 413:
            return RequestTooLarge(f"the request is larger than {LARGEST_REQUEST} bytes")
        case _:
            return InvalidRequest(error.reason or "the request could not be read")
