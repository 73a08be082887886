"""Who may ask. Pure ASGI around the whole app (Starlette's BaseHTTPMiddleware would hide disconnects from it).

- With a token set, every request must carry it (`Authorization: Bearer` or `x-api-key`), on loopback too. /health
  answers without it, but says no more than its status; /cluster/proof does, because a proxy sends the token only after.
- Without a token, only connections that arrive on a loopback address are served, however the server was bound, and only
  under a loopback name: a web page that points its own name at 127.0.0.1 (DNS rebinding) is refused.
- Browsers send Origin with what their pages do; no page has business here.
- A request whose end can be read in two ways is refused and its connection closed (RFC 9112, section 6.1): what one
  reader takes for its body, another takes for the next request.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from hashlib import sha256

from starlette.types import ASGIApp, Receive, Scope, Send

from mlx_worker.delivery import send_error
from mlx_worker.errors import BadRequest, Forbidden, Unauthorized, WorkerError

OPEN_PATHS = frozenset({"/health", "/cluster/proof"})
HTTP_VERSIONS = frozenset({"1.0", "1.1"})
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Guards:
    """Sets `scope["state"]["authorized"]` for the endpoints that answer either way."""

    def __init__(self, app: ASGIApp, *, token: str | None, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._token = _digest(token.encode()) if token else None
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                authorized = self._check(scope)
            except WorkerError as error:
                await send_error(send, error)
                return
            scope.setdefault("state", {})["authorized"] = authorized
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> bool:
        headers = {name.lower(): value for name, value in scope["headers"]}
        _check_framing(scope, headers)
        self._check_place(scope, headers)
        if self._token is None or hmac.compare_digest(_digest(_credential(headers)), self._token):
            return True
        if scope["path"] in OPEN_PATHS:
            return False
        raise Unauthorized("send the worker's token (MLX_WORKER_TOKEN) as Authorization: Bearer TOKEN")

    def _check_place(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        if b"origin" in headers or headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            raise Forbidden("requests from web pages are not served")
        host = _hostname(headers.get(b"host", b"").decode("latin-1"))
        if self._token is None and not is_loopback((scope.get("server") or ("",))[0]):
            raise Forbidden("without MLX_WORKER_TOKEN the worker serves loopback only; set it and restart")
        if self._token is not None and not self._allowed:
            return
        if host not in self._allowed | LOOPBACK_NAMES:
            raise Forbidden("the Host header names a host that this worker is not; see MLX_ALLOWED_HOSTS")


def _check_framing(scope: Scope, headers: dict[bytes, bytes]) -> None:
    if scope.get("http_version", "1.1") not in HTTP_VERSIONS:
        raise _not_http("HTTP/1.1 is spoken here")
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise _not_http("send Content-Length or Transfer-Encoding, not both")


def _not_http(message: str) -> BadRequest:
    error = BadRequest(message)
    error.headers = {"Connection": "close"}
    return error


def _digest(token: bytes) -> bytes:
    """Of one length for all tokens, so that comparing takes the same time whatever was sent."""
    return sha256(token).digest()


def _credential(headers: dict[bytes, bytes]) -> bytes:
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    return value.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")


def _hostname(host: str) -> str:
    """A Host header without its port, brackets and trailing dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def is_loopback(address: str) -> bool:
    """Also in IPv6's notation for an IPv4 address. False for what is no address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
