"""POST /v1/chat/completions. Everything that can be refused is refused here, with a real HTTP status."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request

from anyclaude.wire.prefix import prefix_hash_of
from mlx_worker.answer import Answer
from mlx_worker.delivery import AnswerResponse
from mlx_worker.engine import Engine, ModelCard
from mlx_worker.errors import BadRequest, UnknownModel
from mlx_worker.generation import Generation, Prompt, Sampling
from mlx_worker.intake import Intake, parsed, read_json, ready_card
from mlx_worker.metrics import Metrics
from mlx_worker.replies import CompletionReply
from mlx_worker.routes.described import ASKING, body_of, refusals
from mlx_worker.schemas import ChatRequest

ALIAS = "current-model"
LONGEST_SESSION = 256  # characters
SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
)
EVENT = {
    "type": "object",
    "description": "`data` is a chunk, an error, or `[DONE]`.",
    "properties": {"data": {"type": "string"}},
    "required": ["data"],
}
STREAM = {
    "description": "The answer; with `stream` its chunks as server-sent events, the last one with the usage.",
    "content": {"text/event-stream": {"schema": EVENT}},
    "model": CompletionReply,
}


def build_router(engine: Engine, intake: Intake, metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/v1/chat/completions",
        openapi_extra=body_of(ChatRequest),
        responses={200: STREAM, **refusals(*ASKING)},
        response_model=None,
    )
    async def chat_completions(request: Request) -> AnswerResponse:
        """Answer a conversation."""
        with intake.place():
            payload = await read_json(request)
            chat = parsed(ChatRequest, payload)
            card = loaded_model(engine, chat.model)
            if chat.response_format is not None:
                await intake.off_loop(0, chat.check_schema)
            prompt = await intake.prepare(chat.conversation(), card, chat.shape())
        generation = generation_of(chat, prompt, card, session_of(request), prefix_hash_of(payload))
        return AnswerResponse(Answer(engine, generation), card.id, metrics.watch(), stream=bool(chat.stream))

    return router


def loaded_model(engine: Engine, name: str | None) -> ModelCard:
    """The model that a request means. A name never leads to a download or a path: it fits or it does not.

    Raises NotReady and UnknownModel.
    """
    card = ready_card(engine)
    if name not in (None, "", ALIAS, card.id):
        raise UnknownModel(f"the model {name[:200]!r} is not served here; this worker serves {card.id!r}")
    return card


def generation_of(
    chat: ChatRequest, prompt: Prompt, card: ModelCard, session: str | None, system_hash: str
) -> Generation:
    """What the engine is to do. Raises BadRequest for tokens that the model does not have."""
    room = card.context_length - len(prompt.tokens)
    return Generation(
        prompt=prompt,
        max_tokens=min(chat.limit() or room, room),
        sampling=sampling_of(chat, card),
        stops=chat.stops(),
        tools=chat.offered_tools(),
        shape=chat.shape(),
        logprobs=chat.alternatives(),
        session=session,
        system_hash=system_hash,
    )


def sampling_of(chat: ChatRequest, card: ModelCard) -> Sampling:
    """What the client says, and the model's defaults for what it does not. Raises BadRequest."""
    said: dict[str, Any] = {name: value for name in SAMPLING if (value := getattr(chat, name)) is not None}
    bias = chat.bias()
    if card.vocabulary and (odd := next((token for token, _ in bias if token >= card.vocabulary), None)) is not None:
        raise BadRequest(f"logit_bias: there is no token {odd}, the model knows {card.vocabulary}", "logit_bias")
    return replace(card.sampling, **said, logit_bias=bias)


def session_of(request: Request) -> str | None:
    """Who asks, from X-Session-Id: a key for the cache, never a right."""
    session = request.headers.get("x-session-id", "").strip()
    return session[:LONGEST_SESSION] or None
