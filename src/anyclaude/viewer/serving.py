"""The pages on a port of their own, for `anyclaude trace serve`."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from anyclaude.errors import SetupError
from anyclaude.viewer.access import PREFIX, address
from anyclaude.viewer.app import create_viewer

LOOPBACK: Final = "127.0.0.1"


@asynccontextmanager
async def serving_pages(home: Path, token: str, port: int = 0) -> AsyncIterator[str]:
    """Serve for as long as the block lasts; the address to open, with its token.

    home: `settings.home`. port: 0 takes a free one. Raises SetupError when the port is taken.
    """
    app = web.Application()
    app.add_subapp(PREFIX, create_viewer(home, token))
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listening(runner, port)
        yield address(runner.addresses[0][1], token)
    finally:
        await runner.cleanup()


async def _listening(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, LOOPBACK, port, reuse_address=True).start()
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise SetupError(f"port {port} cannot be used; choose another, or leave --port out") from error
        raise
