"""Counts responses, by path and status. Pure ASGI around the whole app, so that what the guards refuse counts too."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlx_worker.metrics import Metrics

PATHS = frozenset(
    {
        "/v1/chat/completions",
        "/v1/models",
        "/health",
        "/metrics",
        "/cache",
        "/cache/warm",
        "/cluster/proof",
        "/tokenize",
        "/docs",
        "/openapi.json",
    }
)


class Counted:
    """Paths that there are not count as one, or whoever asks would decide how many figures there are."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if scope["path"] in PATHS else "other"
                self._metrics.responded(path, message["status"])
            await send(message)

        await self._app(scope, receive, counting)
