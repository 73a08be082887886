"""`uvicorn mlx_worker.server:app`: the real engine behind the application.

The model is loaded after the port is open, on the engine's thread; /health says when it is ready.
"""

import os
import sys
from collections.abc import Mapping

from fastapi import FastAPI

from mlx_worker import blas, models
from mlx_worker.app import build_app
from mlx_worker.engine_thread import EngineThread
from mlx_worker.jobs import Limits
from mlx_worker.mlx_engine import MlxRunner, load_runner
from mlx_worker.settings import Settings, SettingsError


def create_app(settings: Settings | None = None) -> FastAPI:
    """Settings come from the environment when not given. Raises SettingsError."""
    settings = settings or Settings.from_environment(os.environ)
    limits = Limits(
        max_queue=settings.max_queue,
        max_batch=settings.max_batch,
        prefill_chunk=settings.prefill_chunk,
        cache_bytes=_quarter_of_memory() if settings.cache_bytes is None else settings.cache_bytes,
        cache_entries=settings.cache_entries,
    )

    def load() -> MlxRunner:
        return load_runner(models.resolve(settings.model_path), settings.max_batch)

    return build_app(EngineThread(load, limits), settings, blas.report())


def _quarter_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def _app_from_environment(environ: Mapping[str, str]) -> FastAPI:
    try:
        return create_app(Settings.from_environment(environ))
    except SettingsError as error:
        sys.exit(f"mlx_worker: {error}")


app = _app_from_environment(os.environ)
