"""The FastAPI application around an engine: routes, errors in OpenAI's shape, guards, and the engine's life."""

import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from mlx_worker.announce import announced
from mlx_worker.blas import Blas
from mlx_worker.counting import Counted
from mlx_worker.description import description_of, page_of
from mlx_worker.engine import Engine
from mlx_worker.errors import EngineFailure, UnknownPath, WorkerError
from mlx_worker.guards import Guards
from mlx_worker.health import package_version
from mlx_worker.intake import Intake
from mlx_worker.log_lines import RefusalLog
from mlx_worker.metrics import Metrics
from mlx_worker.routes import build_router, proof
from mlx_worker.settings import Settings

log = logging.getLogger("mlx_worker")

STOP_SECONDS = 10.0


def build_app(engine: Engine, settings: Settings, blas: Blas) -> FastAPI:
    """The engine starts with the app's lifespan and ends with it."""
    intake, metrics = Intake(engine), Metrics(engine, package_version())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not blas.fast:
            log.warning("%s", blas.advice)
        else:
            log.info("MLX computes with %s", blas.name)
        engine.start()
        with _drain_on_sigterm(engine, settings.drain_seconds):
            async with announced(engine, settings):
                yield
        engine.stop(STOP_SECONDS)
        intake.close()

    app = FastAPI(title="mlx_worker", version=package_version(), lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(build_router(engine, blas, intake, metrics))
    app.include_router(proof.build_router(settings.token))
    app.add_exception_handler(WorkerError, _say_worker_error)
    app.add_exception_handler(HTTPException, _say_http_error)
    app.add_exception_handler(Exception, _say_bug)
    _describe(app)
    token = settings.token.get_secret_value() if settings.token else None
    app.add_middleware(Guards, token=token, allowed_hosts=settings.allowed_hosts)
    app.add_middleware(Counted, metrics=metrics)
    app.add_middleware(RefusalLog)
    return app


def _describe(app: FastAPI) -> None:
    whole = cache(lambda: description_of(app))
    app.openapi = whole  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page_of(whole()))


async def _say_worker_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WorkerError)
    return JSONResponse(error.body(), error.status, error.headers)


async def _say_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    told = UnknownPath(f"{request.method} {request.url.path[:200]}: {error.detail}", error.status_code)
    headers = dict(error.headers or {})
    operations = request.app.openapi()["paths"].get(request.url.path)
    if error.status_code == 405 and operations:  # to the framework each method is a route, and it names that one's
        headers["Allow"] = ", ".join(sorted(method.upper() for method in operations))
    return JSONResponse(told.body(), told.status, headers)


async def _say_bug(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(EngineFailure("the worker failed on this request; its log has the details").body(), 500)


@contextmanager
def _drain_on_sigterm(engine: Engine, seconds: float) -> Iterator[None]:
    """From the signal on new requests are refused, and those in work have so long to end. Then they are told that it is
    over, and the server behind us, which waits for them, can go."""
    previous = signal.getsignal(signal.SIGTERM)
    cut = threading.Timer(seconds, engine.stop, (STOP_SECONDS,))
    cut.daemon = True

    def drain(number: int, frame: FrameType | None) -> Any:
        engine.drain()
        if cut.ident is None:
            cut.start()
        return previous(number, frame) if callable(previous) else None

    try:
        signal.signal(signal.SIGTERM, drain)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        cut.cancel()
        signal.signal(signal.SIGTERM, previous)
