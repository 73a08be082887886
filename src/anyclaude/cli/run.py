"""From the divided arguments to an exit code: the one place where every error of a launch ends up.

What is done in place of a launch (`cli.tasks`) is loaded by name: a proxy needs none of it.
"""

import asyncio
import gc
import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop
from pydantic import SecretStr

from anyclaude import __version__
from anyclaude.backends.registry import open_router
from anyclaude.backends.router import Router
from anyclaude.cli.args import Split
from anyclaude.cli.folders import folders
from anyclaude.cli.logs import keep_quiet, open_log
from anyclaude.cli.output import Terminal
from anyclaude.cli.viewing import part
from anyclaude.config.load import Resolved, resolve
from anyclaude.config.model import Settings
from anyclaude.config.secrets import secrets_of
from anyclaude.errors import AnyclaudeError
from anyclaude.launch.descriptors import take_descriptors
from anyclaude.launch.pdf import PdfReading
from anyclaude.launch.session import Parts, launch_token, session
from anyclaude.launch.signals import Interrupted
from anyclaude.server.app import Launched
from anyclaude.server.serve import serving
from anyclaude.trace.store import TraceStore
from anyclaude.wire.exit_codes import ExitCode

TASKS: Final = "anyclaude.cli.tasks"
TRACED: Final = 3
"""The debug level that keeps traces."""

log = logging.getLogger(__name__)


def run(given: Split) -> int:
    """Launch as the arguments and the environment say, and return the exit code."""
    keep_quiet()
    screen = Terminal()
    log_path: Path | None = None
    try:
        if given.asks is not None:
            code: int = importlib.import_module(TASKS).TASKS[given.asks](given, screen)
            return code
        settings = resolved(given, screen).settings
        settings = settings.model_copy(update={"auth_token": SecretStr(launch_token(settings))})
        log_path = logged(settings, screen)
        return _launch(settings, given.claude, screen)
    except AnyclaudeError as error:
        log.error("%s", error.message)
        screen.say(error.message)
        return ExitCode.NOT_READY
    except Interrupted as interrupted:
        screen.clear()
        return interrupted.exit_code
    except KeyboardInterrupt:
        screen.clear()
        return ExitCode.INTERRUPTED
    except OSError as error:
        if given.asks is not None:
            raise  # of a task that prints: told by who called
        return _fault(error, log_path, screen)
    except Exception as error:  # the edge of the program: the person gets one line, the log the traceback
        return _fault(error, log_path, screen)


def _fault(error: Exception, log_path: Path | None, screen: Terminal) -> int:
    log.error("unexpected", exc_info=error)
    where = f"; details are in {log_path}" if log_path else ""
    screen.say(f"a fault of ours, {type(error).__name__}{where}; please report it")
    return ExitCode.FAULT


def resolved(given: Split, screen: Terminal) -> Resolved:
    """The settings, with what is to be said of them said. Raises SetupError."""
    found = resolve(given.ours, os.environ, *folders())
    for notice in found.notices:
        screen.say(notice)
    return found


def _launch(settings: Settings, claude_args: list[str], screen: Terminal) -> int:
    take_descriptors()
    with _recording(settings, screen) as recording, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        launched = Launched(settings.mode, settings.home, secrets_of(settings, os.environ))
        parts = Parts(
            _opened,
            partial(serving, recording=recording, launched=launched, pages=_pages(settings)),
        )
        return runner.run(session(settings, claude_args, dict(os.environ), screen, parts))


def _opened(settings: Settings) -> Router:
    router = open_router(settings, PdfReading().text_of)
    gc.freeze()  # what is loaded by now stays: no collection has to look at it again
    return router


def _pages(settings: Settings) -> Any:
    """Those of the proxy; None where nobody wants them. Raises SetupError where what they need is not installed."""
    if not settings.ui:
        return None
    opens = part("access").page_token(launch_token(settings))
    return part("app").create_viewer(settings.home, opens)


@contextmanager
def _recording(settings: Settings, screen: Terminal) -> Iterator[TraceStore | None]:
    """Traces, from debug level 3 on. Where they cannot be kept the launch goes on without."""
    if settings.debug_level < TRACED:
        yield None
        return
    try:
        store = TraceStore(settings.home, settings.mode, settings.traces, secrets_of(settings, os.environ))
    except OSError as error:
        screen.say(f"no traces are kept: {error.filename or settings.home}: {error.strerror or error}")
        yield None
        return
    try:
        yield store
    finally:
        store.close()


def logged(settings: Settings, screen: Terminal) -> Path | None:
    """The log from here on; None where none can be written, which the person is told."""
    try:
        path = open_log(settings.home, secrets_of(settings, os.environ), settings.debug_level)
    except OSError as error:
        screen.say(f"no log is written: {error.filename or settings.home}: {error.strerror or error}")
        return None
    log.info("anyclaude %s, mode %s", __version__, settings.mode)
    return path
