"""What a person who started a worker sees on stderr: plain lines, with the time; refusals among them, within bounds."""

import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("mlx_worker")

SILENCE_SECONDS: Final = 10.0
"""After a refusal, the same one is only counted for so long."""
LONGEST: Final = 300  # characters of what a client was told
_KINDS: Final = 64


def show_log(level: str) -> None:
    """From `level` on, on stderr. Called once, by a program that has no log of its own."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(asctime)s mlx_worker: %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(lines)
    log.setLevel(level.upper())


class Refusals:
    """A client that asks again and again fills no log: of equal refusals one is a line, the others are its count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[tuple[str, int], tuple[float, int]] = OrderedDict()

    def tell(self, asked: str, status: int, words: str) -> None:
        """asked: method and path. words: what the client was told."""
        said, more = self._said.pop((asked, status), (-SILENCE_SECONDS, 0))
        now = self._clock()
        if now - said < SILENCE_SECONDS:
            self._said[asked, status] = said, more + 1
            return
        before = f" (and {more} times before)" if more else ""
        log.info("%s: refused with %d%s: %s", asked, status, before, " ".join(words.split())[:LONGEST])
        self._said[asked, status] = now, 0
        if len(self._said) > _KINDS:
            self._said.popitem(last=False)


class RefusalLog:
    """Pure ASGI around the whole app: it reads what clients are told, in OpenAI's shape, where it is no answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refusals = Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 200

        async def watching(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            if status >= 400 and (words := _words(message.get("body", b""))):
                self._refusals.tell(f"{scope['method']} {_plain(scope['path'])}", status, words)
            await send(message)

        await self._app(scope, receive, watching if scope["type"] == "http" else send)


def _words(body: bytes) -> str | None:
    """The message of an error; None for anything else."""
    try:
        said = orjson.loads(body)
        return str(said["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _plain(path: str) -> str:
    """A path of the client's making, fit for a line."""
    return "".join(sign if sign.isprintable() else "?" for sign in path[:100])
