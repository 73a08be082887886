"""The worker's port: taken before the model is fetched, open once it is there, and told on stdout."""

import errno
import math
import socket
from contextlib import suppress
from typing import Any

import uvicorn

from mlx_worker.connections import Connection
from mlx_worker.settings import Settings

GRACE_SECONDS = 5  # beyond those for answers in work, for whoever does not hear that it is over


class CannotServe(Exception):
    """This worker cannot start. The message is one sentence with the next step."""


class Server(uvicorn.Server):
    """Says its address on stdout as soon as the port accepts."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            with suppress(OSError):  # nobody reads it: no reason not to serve
                print(f"mlx_worker listening on {_address(sockets[0])}", flush=True)  # noqa: T201


def bound(settings: Settings) -> socket.socket:
    """The port is ours from now on, but refuses connections until the model is there. Raises CannotServe."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise _cannot_listen(settings, error) from error
    return listener


def listen(listener: socket.socket, settings: Settings) -> None:
    """Raises CannotServe."""
    try:
        listener.listen(2048)
    except OSError as error:  # another program took the port while the model was fetched
        raise _cannot_listen(settings, error) from error


def _cannot_listen(settings: Settings, error: OSError) -> CannotServe:
    where = f"port {settings.port} on {settings.host}"
    if error.errno == errno.EADDRINUSE:
        return CannotServe(f"{where} is taken: end what listens there, or choose another port with --port")
    return CannotServe(f"{where} cannot be used ({error.strerror}): choose another with --host and --port")


def serve(app: Any, listener: socket.socket, settings: Settings) -> None:
    """Until a signal asks to end. `app`: an application, or where uvicorn finds it."""
    config = uvicorn.Config(
        app,
        http=Connection,
        log_level="warning",
        access_log=False,
        workers=1,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds) + GRACE_SECONDS,
        timeout_keep_alive=75,  # longer than clients keep a connection, so that none is closed under a request
    )
    Server(config).run(sockets=[listener])


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
