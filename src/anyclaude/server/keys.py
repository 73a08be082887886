"""What a request finds on the application, and on itself, by typed keys."""

from typing import Final

from aiohttp import web

from anyclaude.backends.base import Backend
from anyclaude.server.drain import Drain
from anyclaude.server.guards import Guards

BACKEND: Final = web.AppKey("backend", Backend)
GUARDS: Final = web.AppKey("guards", Guards)
DRAIN: Final = web.AppKey("drain", Drain)
SILENCE: Final = web.AppKey("silence", float)
REQUEST_ID: Final = web.RequestKey("request-id", str)
