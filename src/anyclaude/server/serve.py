"""The proxy as a running server: bound to loopback, drained when it is left."""

import errno
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http import HttpProcessingError

from anyclaude.backends.base import Backend
from anyclaude.config.running import Running, listed
from anyclaude.errors import SetupError
from anyclaude.server.app import UNKNOWN, Launched, create_app
from anyclaude.server.connections import PATIENT, Patience, Runner
from anyclaude.server.keys import DRAIN
from anyclaude.trace.record import Recording
from anyclaude.viewer.access import address as page_address
from anyclaude.viewer.access import page_token

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_BY_THE_CLIENT = (ConnectionError, HttpProcessingError, web.RequestPayloadError)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the proxy listens. pages: where a person finds what it records, the token included; empty: nowhere."""

    port: int
    pages: str = ""

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


@asynccontextmanager
async def serving(
    backend: Backend,
    token: str,
    *,
    port: int = 0,
    drain: float = 10.0,
    recording: Recording | None = None,
    launched: Launched = UNKNOWN,
    patience: Patience = PATIENT,
    pages: web.Application | None = None,
) -> AsyncIterator[Address]:
    """Serve the backend on loopback for as long as the block lasts.

    port: 0 takes a free one. drain: seconds that answers under way get to finish when the block is left; after
    them they end in an error. recording: where traces go. patience: with clients. pages: `viewer.app`, shown beside.
    The backend is closed in the end. While it serves, and no longer, others of this person's programs find it, if
    `launched` says where. Raises SetupError when the port is taken.
    """
    logging.getLogger("aiohttp.server").addFilter(_in_one_line)
    app = create_app(backend, token, recording=recording, launched=launched, patience=patience, pages=pages)
    runner = Runner(
        app,
        patience,
        handler_cancellation=True,  # a client that leaves cancels its request, and with it the upstream
        access_log=None,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        listener = _bind(port)
        await web.SockSite(runner, listener).start()
        port = listener.getsockname()[1]
        address = Address(port, page_address(port, page_token(token)) if pages is not None else "")
        log.info("listening on %s", address.url)
        with _findable(launched, address, token):
            yield address
    finally:
        for site in tuple(runner.sites):
            await site.stop()
        await app[DRAIN].finish(drain)
        await runner.cleanup()
        await backend.aclose()


@contextmanager
def _findable(launched: Launched, address: Address, token: str) -> Iterator[None]:
    with ExitStack() as stack:
        if launched.home is not None:
            proxy = Running(os.getpid(), address.url, time.time(), launched.mode, token)
            stack.enter_context(listed(launched.home, proxy))
        yield


def _in_one_line(record: logging.LogRecord) -> bool:
    """aiohttp logs a client that leaves, or that breaks HTTP, with a traceback and with what it sent, its token too."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, _BY_THE_CLIENT):
        record.msg, record.args, record.exc_info = "a client left or broke HTTP: %s", (type(error).__name__,), None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise SetupError(
                f"port {port} cannot be used ({error.strerror}); choose another, or leave --port out"
            ) from error
        raise
    return listener
