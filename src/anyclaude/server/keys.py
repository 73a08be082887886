"""What a request finds on the application, and on itself, by typed keys."""

from typing import Final

from aiohttp import web

from anyclaude.backends.router import Router
from anyclaude.server.connections import Patience
from anyclaude.server.drain import Drain
from anyclaude.server.figures import Figures
from anyclaude.server.guards import Guards
from anyclaude.server.metrics import Metrics
from anyclaude.trace.record import Recorder, Recording
from anyclaude.trace.redact import Redactor

ROUTER: Final = web.AppKey("router", Router)
RECORDING: Final = web.AppKey("recording", Recording)
GUARDS: Final = web.AppKey("guards", Guards)
DRAIN: Final = web.AppKey("drain", Drain)
SILENCE: Final = web.AppKey("silence", float)
PATIENCE: Final = web.AppKey("patience", Patience)
MODE: Final = web.AppKey("mode", str)
FIGURES: Final = web.AppKey("figures", Figures)
METRICS: Final = web.AppKey("metrics", Metrics)
REDACTOR: Final = web.AppKey("redactor", Redactor)
"""For what is told of errors and nodes."""

RECORDER: Final = web.RequestKey("recorder", Recorder)
FAILURE: Final = web.RequestKey("failure", str)
"""Why an answer with status 200 is not whole."""

REQUEST_ID: Final = web.RequestKey("request-id", str)
