"""Who may ask: the checks that every request passes before anything is read of it.

A server on loopback is reached by every program of every user of the machine, and through DNS rebinding or a cross-site
request by every web page that one of them opens. So: a random token (other users and programs), the Host header and the
request target (rebinding), no Origin and no cross-site fetch (pages), JSON only where we read the body (forms). What
is only handed on to Claude may be of any type: a form can post a file, but it cannot send our token. A body that is
announced as larger than we take is refused before it is waited for.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from aiohttp import web

from anyclaude.errors import Forbidden, InvalidRequest, RequestTooLarge, Unauthorized
from anyclaude.wire.loopback import is_from_elsewhere, names_us

PRECONNECT: Final = ("/", "/v1", "/api/hello")
"""Where Claude Code's first HEAD goes: the base URL (2.1.197), or this path (2.1.330)."""

TOKEN_HEADER: Final = "x-anyclaude-token"  # noqa: S105
"""Where our token comes when the credential headers are Claude's."""

_JSON_ONLY: Final = frozenset(
    f"{prefix}/messages{path}" for prefix in ("/v1", "/v1/v1") for path in ("", "/count_tokens")
)


@dataclass(frozen=True, slots=True)
class Guards:
    """The checks, for one launch. token: what every request must carry. largest: bytes of a body that we read."""

    token: str
    largest: int

    def check(self, request: web.Request) -> None:
        """Raises Forbidden, Unauthorized, InvalidRequest or RequestTooLarge."""
        _check_host(request)
        _check_origin(request)
        if request.method == "HEAD" and request.path in PRECONNECT:
            return  # Claude Code's pre-connect, which carries no credential and learns nothing
        self._check_token(request)
        if request.path in _JSON_ONLY and request.method == "POST":
            self._check_body(request)

    def without_token(self, headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The headers that may go on to an upstream: our own is not among them, nor a credential that is our token."""
        return tuple((name, value) for name, value in headers if not self._is_ours(name.lower(), value))

    def _is_ours(self, name: str, value: str) -> bool:
        if name == TOKEN_HEADER:
            return True
        return (name == "authorization" and self._matches(_bearer(value))) or (
            name == "x-api-key" and self._matches(value.strip())
        )

    def _check_token(self, request: web.Request) -> None:
        headers = request.headers
        bearer = _bearer(headers.get("Authorization", ""))
        candidates = (bearer, headers.get("x-api-key", ""), headers.get(TOKEN_HEADER, ""))
        right = [self._matches(candidate) for candidate in candidates]
        if not any(right):
            raise Unauthorized(
                "this proxy serves one launch of anyclaude; send its ANTHROPIC_AUTH_TOKEN as a bearer token, "
                f"or as the header {TOKEN_HEADER}"
            )

    def _check_body(self, request: web.Request) -> None:
        if request.content_type != "application/json":
            raise InvalidRequest("the content type must be application/json")
        if (request.content_length or 0) > self.largest:
            raise RequestTooLarge(f"the request is larger than {self.largest} bytes")

    def _matches(self, given: str) -> bool:
        return hmac.compare_digest(_digest(given), _digest(self.token))


def _digest(token: str) -> bytes:
    """Of one length for all tokens, so that comparing takes the same time whatever was sent.

    A header that is not UTF-8 comes with surrogates, which a plain `encode` refuses.
    """
    return sha256(token.encode(errors="surrogateescape")).digest()


def _bearer(value: str) -> str:
    scheme, _, credential = value.partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def _check_host(request: web.Request) -> None:
    if not names_us(request.headers.getall("Host", []), request.host, _port(request)):
        raise Forbidden("the Host header must name this proxy's own loopback address and port")


def _check_origin(request: web.Request) -> None:
    if is_from_elsewhere(request.headers):
        raise Forbidden("requests from web pages are refused")


def _port(request: web.Request) -> int:
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return int(name[1]) if name else 0
