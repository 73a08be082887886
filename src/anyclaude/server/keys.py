"""What a request finds on the application, and on itself, by typed keys."""

from typing import Final

from aiohttp import web

from anyclaude.backends.router import Router
from anyclaude.server.drain import Drain
from anyclaude.server.guards import Guards
from anyclaude.trace.record import Recorder, Recording

ROUTER: Final = web.AppKey("router", Router)
RECORDING: Final = web.AppKey("recording", Recording)
GUARDS: Final = web.AppKey("guards", Guards)
DRAIN: Final = web.AppKey("drain", Drain)
SILENCE: Final = web.AppKey("silence", float)
RECORDER: Final = web.RequestKey("recorder", Recorder)
FAILURE: Final = web.RequestKey("failure", str)
"""Why an answer with status 200 is not whole."""

REQUEST_ID: Final = web.RequestKey("request-id", str)
