"""The endpoints. Everything that can be refused is refused here, with a real HTTP status, before an answer begins."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from mlx_worker.blas import Blas
from mlx_worker.delivery import AnswerResponse
from mlx_worker.engine import Answer, Conversation, Engine, Generation, ModelCard, Sampling
from mlx_worker.errors import BadRequest, BodyTooLarge, NotJson, NotReady, PromptTooLong, UnknownModel
from mlx_worker.health import brief_report, full_report
from mlx_worker.schemas import ChatRequest, parse_chat

MAX_BODY = 64 * 1024 * 1024
ALIAS = "current-model"


def build_router(engine: Engine, blas: Blas) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    async def health(request: Request) -> JSONResponse:
        report = full_report if request.state.authorized else brief_report
        code, body = report(engine, blas)
        return JSONResponse(body, code)

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        card = engine.card
        return {"object": "list", "data": [_model_object(card)] if card else []}

    @router.post("/v1/chat/completions", openapi_extra=_body_schema(), response_model=None)
    async def chat_completions(request: Request) -> AnswerResponse:
        chat = parse_chat(await read_json(request))
        card = loaded_model(engine, chat.model)
        conversation = Conversation(
            [message.for_template() for message in chat.messages], chat.offered_tools() or (), chat.switches()
        )
        prompt = await asyncio.to_thread(engine.prepare, conversation)
        room = card.context_length - len(prompt.tokens)
        if room < 1:
            raise PromptTooLong(len(prompt.tokens), card.context_length)
        generation = Generation(
            prompt=prompt,
            max_tokens=min(chat.limit() or room, room),
            sampling=sampling_of(chat, card.sampling),
            stops=chat.stops(),
            tools=conversation.tools,
        )
        return AnswerResponse(Answer(engine, generation), card.id, stream=chat.stream)

    return router


def _body_schema() -> dict[str, Any]:
    content = {"application/json": {"schema": ChatRequest.model_json_schema(mode="validation")}}
    return {"requestBody": {"required": True, "content": content}}


def _model_object(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "object": "model",
        "created": 0,
        "owned_by": "mlx_worker",
        "context_length": card.context_length,
        "supports_tools": card.supports_tools,
    }


def loaded_model(engine: Engine, name: str | None) -> ModelCard:
    """The model that a request means. A name never leads to a download or a path: it fits or it does not.

    Raises NotReady and UnknownModel.
    """
    card = engine.card
    if card is None:
        raise NotReady(engine.status().reason or "the model is still loading")
    if name not in (None, "", ALIAS, card.id):
        raise UnknownModel(f"the model {name[:200]!r} is not served here; this worker serves {card.id!r}")
    return card


def sampling_of(chat: ChatRequest, defaults: Sampling) -> Sampling:
    """What the client says, and the model's defaults for what it does not."""
    names = (
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
    )
    return replace(defaults, **{name: value for name in names if (value := getattr(chat, name)) is not None})


async def read_json(request: Request) -> Any:
    """The body, bounded and strict. Raises NotJson, BodyTooLarge and BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise NotJson("send the request as Content-Type: application/json")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise BodyTooLarge(f"the request body passes {MAX_BODY // 1024 // 1024} MiB")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
