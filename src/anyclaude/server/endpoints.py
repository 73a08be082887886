"""The small endpoints beside /v1/messages."""

import json
from typing import Any

from aiohttp import web

from anyclaude.backends.base import ModelInfo
from anyclaude.config.names import LISTED
from anyclaude.errors import AnyclaudeError, NotFound
from anyclaude.server.keys import FIGURES, METRICS, MODE, REDACTOR, ROUTER
from anyclaude.server.metrics import CONTENT_TYPE
from anyclaude.server.passthrough import relay_other
from anyclaude.server.status import report, session_report
from anyclaude.trace.parts import printable


async def preconnect(request: web.Request) -> web.Response:
    """A HEAD with which Claude Code opens its connection; it ignores the status."""
    return web.Response()


async def health(request: web.Request) -> web.Response:
    """Whether the backend answers. 200 when it does, 503 when it does not, with the reason."""
    backend = request.app[ROUTER]
    try:
        model = await backend.ready()
    except AnyclaudeError as error:
        return _json({"status": "unhealthy", "backend": backend.name, "reason": error.message}, 503)
    return _json({"status": "healthy", "backend": backend.name, "model": model.id})


async def status(request: web.Request) -> web.Response:
    """How this proxy is, as it knows without asking anybody (`server.status`)."""
    app = request.app
    return _json(report(app[MODE], app[FIGURES], app[ROUTER].status(), app[REDACTOR]))


async def session(request: web.Request) -> web.Response:
    """The last turn of one session, by Claude Code's id. One that is not known has none."""
    app = request.app
    return _json(session_report(app[FIGURES].sessions.of(request.match_info["id"]), app[ROUTER].status()))


async def metrics(request: web.Request) -> web.Response:
    """The same for Prometheus (`server.metrics`)."""
    told = printable(request.app[METRICS].exposition().decode())
    return web.Response(body=told.encode(), headers={"Content-Type": CONTENT_TYPE})


async def models(request: web.Request) -> web.StreamResponse:
    """GET /v1/models in Anthropic's shape: names that a request may carry, in the form that Claude Code's menu shows.

    `created_at` is not known, so it is the epoch. With Claude as the only backend, Claude answers itself.
    """
    if request.app[ROUTER].only_relays:
        return await relay_other(request)
    found = [_model(model) for model in await request.app[ROUTER].models()]
    first, last = (found[0]["id"], found[-1]["id"]) if found else (None, None)
    return _json({"data": found, "has_more": False, "first_id": first, "last_id": last})


async def model(request: web.Request) -> web.StreamResponse:
    """GET /v1/models/{id}, with or without what the list puts before the upstream's name. An id may hold slashes."""
    if request.app[ROUTER].only_relays:
        return await relay_other(request)
    wanted = request.match_info["id"].removeprefix(LISTED)
    for found in await request.app[ROUTER].models():
        if wanted in (found.id, found.id.partition(":")[2]):
            return _json(_model(found))
    raise NotFound("no model of that name is on offer; GET /v1/models lists them")


def _model(found: ModelInfo) -> dict[str, Any]:
    backend, _, name = found.id.partition(":")
    shape = {
        "type": "model",
        "id": f"{LISTED}{found.id}",
        "display_name": f"{name} ({backend})",
        "created_at": "1970-01-01T00:00:00Z",
    }
    return shape | ({"max_input_tokens": found.context_window} if found.context_window else {})


def _json(value: object, status: int = 200) -> web.Response:
    """In ASCII: these answers are looked at in terminals, and hold words of model servers."""
    return web.Response(body=json.dumps(value).encode(), status=status, content_type="application/json")
