"""The pages as an aiohttp application: on a port of its own (`trace serve`), or a part of the running proxy (`--ui`).

What a page shows is found and made in the thread of `desk`; here is who may ask, and that every answer is one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final

from aiohttp import web

from anyclaude.errors import AnyclaudeError, InternalError, MethodNotAllowed, NotFound
from anyclaude.trace.index import TraceIndex
from anyclaude.viewer import pages, prompt_pages, turn_pages
from anyclaude.viewer.access import HEADERS, PREFIX, check_cookie, check_host, check_sender, entering
from anyclaude.viewer.asked import Asked, File, Page
from anyclaude.viewer.desk import Desk
from anyclaude.viewer.looks import render

Look = Callable[[Asked], Page | File]

PAGES: Final[dict[str, Look]] = {
    "": pages.sessions,
    "/": pages.sessions,
    "/session/{session:[^/]*}": pages.session,
    "/session/{session:[^/]*}/export.md": pages.session_markdown,
    "/session/{session:[^/]*}/export.json": pages.session_json,
    "/turn/{turn:[^/]+}": turn_pages.conversation_page,
    "/turn/{turn:[^/]+}/timing": turn_pages.timing_page,
    "/turn/{turn:[^/]+}/sent": turn_pages.sent_page,
    "/turn/{turn:[^/]+}/upstream": turn_pages.upstream_page,
    "/turn/{turn:[^/]+}/notes": turn_pages.notes_page,
    "/turn/{turn:[^/]+}/record": turn_pages.record_file,
    "/turn/{turn:[^/]+}/block/{place:[a-z0-9.]+}": turn_pages.block_file,
    "/turn/{turn:[^/]+}/image/{place:[a-z0-9.]+}": turn_pages.image_file,
    r"/turn/{turn:[^/]+}/part/{of:sent|\d{1,4}}/{number:\d{1,6}}": turn_pages.part_file,
    "/search": pages.search,
    "/compare": pages.compare,
    "/prompts": prompt_pages.prompts,
    "/prompts/difference": prompt_pages.difference,
    "/prompts/{prompt:[0-9a-f]+}": prompt_pages.prompt,
}

_STATIC: Final = {"style.css": "text/css", "viewer.js": "text/javascript", "icon.svg": "image/svg+xml"}

DESK: Final = web.AppKey("desk", Desk)
TOKEN: Final = web.AppKey("token", str)

log = logging.getLogger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_viewer(home: Path, token: str) -> web.Application:
    """The pages, to be put at `PREFIX` of another application. home: `settings.home`. token: opens them."""
    app = web.Application(middlewares=[_guarded])
    app[DESK] = Desk(home)
    app[TOKEN] = token
    app.cleanup_ctx.append(_desk)
    for name in _STATIC:
        app.router.add_get(f"/static/{name}", _static, allow_head=False)
    for path, look in PAGES.items():
        app.router.add_get(path, partial(_answer, look), allow_head=False)
    return app


async def _desk(app: web.Application) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(app[DESK].close)


@web.middleware
async def _guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Check, answer, and turn whatever is raised into a page. A cancel passes through."""
    try:
        response = await _checked(request, handler)
    except AnyclaudeError as error:
        response = _failure(error)
    except web.HTTPException as error:
        response = _failure(_told(error))
    except Exception:  # the outermost edge: the person gets a page, the log gets the traceback
        log.exception("a fault of our own in %s", request.path)
        response = _failure(InternalError("anyclaude failed on this page; its log has the details"))
    response.headers.update(HEADERS)
    return response


async def _checked(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Stylesheet and script are no secret, and the page that refuses wants them."""
    check_host(request)
    token = request.app[TOKEN]
    if (entered := entering(request, token)) is not None:
        return entered
    check_sender(request)
    if not request.path.startswith(f"{PREFIX}/static/"):
        check_cookie(request, token)
    return await handler(request)


async def _static(request: web.Request) -> web.Response:
    name = request.path.rpartition("/")[2]
    content = await asyncio.to_thread((files("anyclaude.viewer") / "static" / name).read_bytes)
    return web.Response(body=content, content_type=_STATIC[name], charset="utf-8")


async def _answer(look: Look, request: web.Request) -> web.Response:
    parts, query = dict(request.match_info), dict(request.query)

    def found(index: TraceIndex, unread: int) -> web.Response:
        return _response(look(Asked(index, parts, query, unread)))

    return await request.app[DESK].ask(found)


def _response(found: Page | File) -> web.Response:
    if isinstance(found, Page):
        return web.Response(body=render(found.template, found.facts), content_type="text/html", charset="utf-8")
    kept = {"Content-Disposition": f'attachment; filename="{found.name}"'} if found.name else {}
    charset = "utf-8" if found.media_type.startswith("text/") else None
    return web.Response(body=found.content, content_type=found.media_type, charset=charset, headers=kept)


def _failure(error: AnyclaudeError) -> web.Response:
    body = render("failure", {"status": error.status, "message": error.message})
    return web.Response(body=body, status=error.status, content_type="text/html", charset="utf-8")


def _told(error: web.HTTPException) -> AnyclaudeError:
    """aiohttp's own refusals."""
    if error.status == 405:
        return MethodNotAllowed("these pages are only read: they answer GET")
    return NotFound("there is no such page")
