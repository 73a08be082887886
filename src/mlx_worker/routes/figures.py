"""The model, the worker's health, and its figures for Prometheus."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from mlx_worker.blas import Blas
from mlx_worker.engine import Engine, ModelCard
from mlx_worker.health import brief_report, full_report
from mlx_worker.metrics import CONTENT_TYPE, Metrics
from mlx_worker.replies import HealthReply, ModelReply, ModelsReply
from mlx_worker.routes.chat import loaded_model
from mlx_worker.routes.described import Described, refusals

HEALTH: Described = {
    200: {"model": HealthReply, "description": "The worker answers."},
    503: {"model": HealthReply, "description": "It does not answer now; the body says why."},
}
EXPOSITION: Described = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Figures."}}


def build_router(engine: Engine, blas: Blas, metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.get("/health", response_model=None, responses=HEALTH | refusals())
    async def health(request: Request) -> JSONResponse:
        """May the worker be asked, and how is it doing?"""
        if request.state.authorized:
            code, body = full_report(engine, blas, metrics.first_tokens())
        else:
            code, body = brief_report(engine, blas)
        return JSONResponse(body, code)

    @router.get("/v1/models", response_model=ModelsReply, responses=refusals())
    async def models() -> dict[str, Any]:
        """The loaded model; none while it is loading."""
        card = engine.card
        return {"object": "list", "data": [_model_object(card)] if card else []}

    @router.get("/v1/models/{name:path}", response_model=ModelReply, responses=refusals(404, 503))
    async def model(name: str) -> dict[str, Any]:
        """One model: the loaded one, by its name or as `current-model`."""
        return _model_object(loaded_model(engine, name))

    @router.get("/metrics", response_class=PlainTextResponse, responses=EXPOSITION | refusals())
    async def figures() -> Response:
        """Figures in the text format of Prometheus."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return router


def _model_object(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "object": "model",
        "created": 0,
        "owned_by": "mlx_worker",
        "context_length": card.context_length,
        "supports_tools": card.supports_tools,
    }
