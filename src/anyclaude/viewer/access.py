"""Who may look at the pages, and what a browser is told about them.

The address that is printed holds a token. It is exchanged for a cookie at once, by a redirect, so that it stays neither
in the address bar nor in a referrer. Cookies do not tell ports apart: the cookie's name holds ours, its path is that of
the pages, and it is made from the launch token but is not that, so whoever gets hold of it can read pages and no more.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from html import escape
from typing import Final

from aiohttp import web
from yarl import URL

from anyclaude.errors import Forbidden, Unauthorized
from anyclaude.wire.loopback import is_from_elsewhere, names_us

PREFIX: Final = "/anyclaude/ui"
"""Where the pages are. Nothing below /anyclaude is ever handed on to an upstream."""

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: nothing is fetched from elsewhere, run from within a page, framed, guessed at or kept."""

_QUERY: Final = "token"
_NEXT_STEP: Final = "these pages open with the whole address that anyclaude printed when it started"


def page_token(launch_token: str) -> str:
    """What opens the pages of a launch, and nothing else of it."""
    made = hmac.digest(launch_token.encode(), b"the pages of anyclaude", sha256)
    return urlsafe_b64encode(made).decode().rstrip("=")


def address(port: int, token: str) -> str:
    """What a person opens. token: the page's."""
    return f"http://127.0.0.1:{port}{PREFIX}/?{_QUERY}={token}"


def check_host(request: web.Request) -> None:
    """Raises Forbidden for a request that went to a name that is not this machine's: DNS rebinding."""
    if not names_us(request.headers.getall("Host", []), request.host, _port(request)):
        raise Forbidden("the Host header must name this server's own loopback address and port")


def check_sender(request: web.Request) -> None:
    """Raises Forbidden for what another page asks."""
    if is_from_elsewhere(request.headers):
        raise Forbidden("another page led here; open the address that anyclaude printed")


def entering(request: web.Request, token: str) -> web.Response | None:
    """For the right token in the query, what brings the cookie and leads to the address without it; else None.

    A link in another page, as in a terminal in a browser, may lead here too. After a redirect the browser would still
    keep our cookie back then, so that gets a page that leads on by itself. Raises Unauthorized for a wrong token.
    """
    given = request.query.get(_QUERY)
    if given is None:
        return None
    if not _is(given, token):
        raise Unauthorized(_NEXT_STEP)
    clean = str(_without_token(request.rel_url))
    if is_from_elsewhere(request.headers):
        body = f'<!doctype html><title>anyclaude</title><meta http-equiv="refresh" content="0; url={escape(clean)}">'
        found = web.Response(text=body, content_type="text/html")
    else:
        found = web.Response(status=303, headers={"Location": clean})
    found.set_cookie(_cookie(request), token, path=PREFIX, httponly=True, samesite="Strict")
    return found


def check_cookie(request: web.Request, token: str) -> None:
    """Raises Unauthorized."""
    if not _is(request.cookies.get(_cookie(request), ""), token):
        raise Unauthorized(_NEXT_STEP)


def _without_token(url: URL) -> URL:
    return url.with_query([(name, value) for name, value in url.query.items() if name != _QUERY])


def _is(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode())


def _cookie(request: web.Request) -> str:
    return f"anyclaude-ui-{_port(request)}"


def _port(request: web.Request) -> int:
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return int(name[1]) if name else 0
