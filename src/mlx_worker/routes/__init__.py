"""The endpoints, by subject: answers, the cache, figures, and the description of them all."""

from fastapi import APIRouter

from mlx_worker.blas import Blas
from mlx_worker.engine import Engine
from mlx_worker.intake import Intake
from mlx_worker.metrics import Metrics
from mlx_worker.routes import cache, chat, figures


def build_router(engine: Engine, blas: Blas, intake: Intake, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    router.include_router(chat.build_router(engine, intake, metrics))
    router.include_router(cache.build_router(engine, intake))
    router.include_router(figures.build_router(engine, blas, metrics))
    return router
