"""The way of a request from its first byte to the engine's queue, with a bound on each step of it.

- A place first: a request that could not be queued is refused before its body is read and long before it is tokenised.
- The body: so many bytes, within so many seconds.
- Tokens: a few prompts at a time, on threads. Long ones have a lane of their own, so that short ones do not wait behind
  them. What cannot fit the context, however long its tokens are, is not tokenised at all.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from mlx_worker.engine import Engine, ModelCard
from mlx_worker.errors import BadRequest, BodyTooLarge, BodyTooSlow, NotJson, NotReady, PromptTooLong
from mlx_worker.generation import AnswerShape, Conversation, Prompt

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

MAX_BODY = 64 * 1024 * 1024  # bytes
BODY_SECONDS = 60.0
LONG_TEXT = 256 * 1024  # characters; a tokenizer takes a tenth of a second and more for them
LONGEST_TEXT = 4 * 1024 * 1024  # characters that are counted at a time
LONGEST_TOKEN = 16
"""Characters a token, on average over a whole prompt: four times what English and code have."""


class Intake:
    """One worker's. Called on the event loop alone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._preparing = 0
        self._short = ThreadPoolExecutor(4, "tokenise-short")
        self._long = ThreadPoolExecutor(1, "tokenise-long")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue for a request that is being prepared. Raises QueueFull or NotReady."""
        self._engine.check_room(self._preparing)
        self._preparing += 1
        try:
            yield
        finally:
            self._preparing -= 1

    async def prepare(self, conversation: Conversation, card: ModelCard, shape: AnswerShape | None = None) -> Prompt:
        """The prompt, which leaves room for at least one token; `shape` is that of its answer.

        Raises PromptTooLong and what the engine raises.
        """
        size = text_size(conversation)
        if (least := size // LONGEST_TOKEN) > card.context_length:
            raise PromptTooLong(least, card.context_length, at_least=True)
        prompt = await self.off_loop(size, lambda: self._engine.prepare(conversation, shape))
        if len(prompt.tokens) >= card.context_length:
            raise PromptTooLong(len(prompt.tokens), card.context_length)
        return prompt

    async def count(self, conversation: Conversation) -> int:
        """The tokens of a whole prompt, whether it fits or not. Raises BodyTooLarge and what the engine raises."""
        if (size := text_size(conversation)) > LONGEST_TEXT:
            raise BodyTooLarge(f"at most {LONGEST_TEXT} characters are counted at a time, these are {size}")
        return len((await self.off_loop(size, lambda: self._engine.prepare(conversation))).tokens)

    async def off_loop(self, size: int, work: Callable[[], T]) -> T:
        """Run what takes long for a text of that size. Where nobody waits for it any more, it does not begin."""
        lane = self._long if size > LONG_TEXT else self._short
        return await asyncio.get_running_loop().run_in_executor(lane, work)

    def close(self) -> None:
        for lane in (self._short, self._long):
            lane.shutdown(wait=False, cancel_futures=True)


def text_size(conversation: Conversation) -> int:
    """Characters that a template has to render, as they are written in JSON where they are no text."""
    return sum(_size(message) for message in conversation.messages) + sum(_size(tool) for tool in conversation.tools)


def _size(value: Any) -> int:
    """Not recursive: a client decides how deep it goes."""
    size, left = 0, [value]
    while left:
        match left.pop():
            case str() as text:
                size += len(text)
            case dict() as members:
                left += members.values()
            case list() as members:
                left += members
    return size


async def read_json(request: Request) -> Any:
    """The body, bounded and strict. Raises NotJson, BodyTooLarge, BodyTooSlow and BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise NotJson("send the request as Content-Type: application/json")
    if _announced(request) > MAX_BODY:
        raise _too_large()
    try:
        body = await asyncio.wait_for(_body(request), BODY_SECONDS)
    except TimeoutError:
        raise BodyTooSlow(f"the request body did not come within {BODY_SECONDS:.0f} seconds") from None
    return _decoded(body)


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                raise _too_large()
    except ClientDisconnect:
        raise BadRequest("the client left before its request was whole") from None
    return bytes(body)


def _announced(request: Request) -> int:
    """Bytes, as far as the client says how many will come."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _too_large() -> BodyTooLarge:
    """What is left of the body is not read, so nothing can follow it on its connection."""
    words = f"the request body passes {MAX_BODY // 1024 // 1024} MiB"
    return BodyTooLarge(words, headers={"Connection": "close"})


def _decoded(body: bytes) -> Any:
    """Writing it back is the check of its depth: orjson reads 1,024 levels and writes 254."""
    try:
        payload = orjson.loads(body)
        orjson.dumps(payload)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    except TypeError:
        raise BadRequest("the body is not JSON: it is nested more than 254 levels deep") from None
    return payload


def parsed(kind: type[M], payload: Any) -> M:
    """Raises BadRequest with the place and the reason of the first fault."""
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise BadRequest(
            f"{place or 'the body'}: {first['msg'].removeprefix('Value error, ')}", place or None
        ) from None


def ready_card(engine: Engine) -> ModelCard:
    """Raises NotReady before there is a model."""
    if engine.card is None:
        raise NotReady(engine.status().reason or "the model is still loading")
    return engine.card
