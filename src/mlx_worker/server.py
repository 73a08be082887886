"""`uvicorn mlx_worker.server:app`: the real engine behind the application.

The model is loaded after the port is open, on the engine's thread; /health says when it is ready. An engine that has
died takes the program with it, so that whoever supervises it starts it again.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping

from fastapi import FastAPI

from anyclaude.wire.exit_codes import ExitCode
from mlx_worker import blas, models
from mlx_worker.app import build_app
from mlx_worker.engine_thread import EngineThread
from mlx_worker.errors import ModelLoadError
from mlx_worker.jobs import Limits
from mlx_worker.mlx_engine import MlxRunner
from mlx_worker.mlx_memory import read_memory
from mlx_worker.mlx_solo import load_as_set
from mlx_worker.runner import Runner
from mlx_worker.settings import Settings, SettingsError
from mlx_worker.smollm import models_folder

log = logging.getLogger("mlx_worker")

LAST_SECONDS = 3.0  # for those who are told that their answers failed, and for who asks /health why


def create_app(settings: Settings | None = None) -> FastAPI:
    """Settings come from the environment when not given. Raises SettingsError."""
    settings = settings or Settings.from_environment(os.environ)

    def load() -> MlxRunner:
        folder = models.resolve(settings.model_path)
        log.info("loading %s", folder)
        return load_as_set(folder, _limits(settings))

    return build_app(build_engine(settings, load), settings, blas.report())


def build_engine(settings: Settings, load: Callable[[], Runner]) -> EngineThread:
    """The engine on what `load` makes, with the limits of the settings."""
    return EngineThread(load, _limits(settings), memory=read_memory, died=_leave_soon)


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_queue=settings.max_queue,
        max_batch=settings.max_batch,
        prefill_chunk=settings.prefill_chunk,
        cache_bytes=_quarter_of_memory() if settings.cache_bytes is None else settings.cache_bytes,
        cache_entries=settings.cache_entries,
        disk_cache_dir=settings.disk_cache_dir or models_folder().with_name("prefixes"),
        disk_cache_bytes=settings.disk_cache_bytes,
        kv_bits=settings.kv_bits,
        draft_model=settings.draft_model,
    )


def _quarter_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def _leave_soon(error: BaseException) -> None:
    """A signal's exit code would look like an orderly end to a supervisor, hence the plain way out."""
    code = ExitCode.NOT_READY if isinstance(error, ModelLoadError) else ExitCode.FAULT
    log.error("the worker ends with exit code %d in %.0f seconds", code, LAST_SECONDS)
    leaving = threading.Timer(LAST_SECONDS, os._exit, (code,))
    leaving.daemon = True
    leaving.start()


def _app_from_environment(environ: Mapping[str, str]) -> FastAPI:
    try:
        return create_app(Settings.from_environment(environ))
    except SettingsError as error:
        sys.stderr.write(f"mlx_worker: {error}\n")
        sys.exit(ExitCode.NOT_READY)


app = _app_from_environment(os.environ)
