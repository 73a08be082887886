"""Who may ask: the checks that every request passes before anything is read of it.

A server on loopback is reached by every program of every user of the machine, and through DNS rebinding or a cross-site
request by every web page that one of them opens. So: a random token (other users and programs), the Host header and the
request target (rebinding), no Origin and no cross-site fetch (pages), JSON only (forms).
"""

import hmac
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from anyclaude.errors import Forbidden, InvalidRequest, Unauthorized

PRECONNECT: Final = ("/", "/v1", "/api/hello")
"""Where Claude Code's first HEAD goes: the base URL (2.1.197), or this path (2.1.330)."""

_LOCAL_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Guards:
    """The checks, for one launch. token: what every request must carry."""

    token: str

    def check(self, request: web.Request) -> None:
        """Raises Forbidden, Unauthorized or InvalidRequest."""
        _check_host(request)
        _check_origin(request)
        if request.method == "HEAD" and request.path in PRECONNECT:
            return  # Claude Code's pre-connect, which carries no credential and learns nothing
        self._check_token(request)
        if request.method == "POST" and request.content_type != "application/json":
            raise InvalidRequest("the content type must be application/json")

    def _check_token(self, request: web.Request) -> None:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else ""
        candidates = (given, request.headers.get("x-api-key", ""))
        # A header that is not UTF-8 comes with surrogates, which a plain `encode` refuses.
        given_bytes = [candidate.encode(errors="surrogateescape") for candidate in candidates]
        right = [hmac.compare_digest(candidate, self.token.encode()) for candidate in given_bytes]
        if not any(right):
            raise Unauthorized(
                "this proxy serves one launch of anyclaude; send its ANTHROPIC_AUTH_TOKEN as a bearer token"
            )


def _check_host(request: web.Request) -> None:
    """The header and the target must both name this machine, with our port: a page's own name fails here."""
    allowed = {f"{name}:{_port(request)}" for name in _LOCAL_NAMES}
    named = [host.lower() for host in request.headers.getall("Host", [])]
    if len(named) != 1 or named[0] not in allowed or request.host.lower() not in allowed:
        raise Forbidden("the Host header must name this proxy's own loopback address and port")


def _check_origin(request: web.Request) -> None:
    if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") not in (
        "none",
        "same-origin",
    ):
        raise Forbidden("requests from web pages are refused")


def _port(request: web.Request) -> int:
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return int(name[1]) if name else 0
