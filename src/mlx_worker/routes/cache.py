"""The prefix cache as others see it: what is in it, computing prompts ahead, emptying it; and counting tokens."""

import asyncio
import time
from concurrent.futures import Future
from typing import Any

from fastapi import APIRouter, Request

from anyclaude.wire.prefix import prefix_hash_of
from mlx_worker.cache_schemas import TokenizeRequest, WarmRequest, as_chat
from mlx_worker.engine import CachedPrefix, Engine
from mlx_worker.errors import NotReady
from mlx_worker.generation import Generation
from mlx_worker.health import latest_system
from mlx_worker.intake import Intake, parsed, read_json, ready_card
from mlx_worker.prefix_cache import CacheFigures
from mlx_worker.replies import CacheReply, CountReply, DropReply, WarmReply
from mlx_worker.routes.chat import session_of
from mlx_worker.routes.described import ASKING, body_of, refusals
from mlx_worker.warming import Warming, beginning_of

ENGINE_SECONDS = 10.0
"""A turn of the engine takes about one."""


def build_router(engine: Engine, intake: Intake) -> APIRouter:
    router = APIRouter()
    warming = Warming(engine)

    @router.get("/cache", response_model=CacheReply, responses=refusals())
    async def cache() -> dict[str, Any]:
        """What is computed and kept."""
        return cache_report(engine)

    @router.delete("/cache", response_model=DropReply, responses=refusals(503))
    async def drop() -> dict[str, Any]:
        """Forget everything that no request in work uses."""
        return {"dropped": await told(engine.drop_cache())}

    @router.post(
        "/cache/warm",
        status_code=202,
        openapi_extra=body_of(WarmRequest),
        response_model=WarmReply,
        responses=refusals(*ASKING),
    )
    async def warm(request: Request) -> dict[str, Any]:
        """Compute a system prompt, or a conversation without its answer, when nobody else has work."""
        with intake.place():
            payload = await read_json(request)
            asked = parsed(WarmRequest, payload)
            card = ready_card(engine)
            prompt = await intake.prepare(asked.conversing().conversation(), card)
        beginning = beginning_of(prompt, whole=asked.messages is not None)
        name = prefix_hash_of(as_chat(payload))
        generation = Generation(beginning, 1, session=session_of(request), system_hash=name, warm=True)
        warmed = warming.warm(generation, await told(engine.cached(beginning)))
        return {
            "status": "cached" if warmed.done else "warming",
            "cached": warmed.done,
            "hash": warmed.hash,
            "system_hash": name,
            "tokens": warmed.tokens,
            "cached_tokens": warmed.cached,
        }

    @router.post(
        "/tokenize", openapi_extra=body_of(TokenizeRequest), response_model=CountReply, responses=refusals(*ASKING)
    )
    async def tokenize(request: Request) -> dict[str, Any]:
        """Count the tokens of a text, or of a conversation as it would be computed."""
        with intake.place():
            asked = parsed(TokenizeRequest, await read_json(request))
            text = asked.text
            if text is None:
                return {"count": await intake.count(asked.conversing().conversation())}
            return {"count": await intake.off_loop(len(text), lambda: engine.count(text))}

    return router


async def told(answer: Future[int]) -> int:
    """What the engine says between two turns. Raises NotReady when it says nothing for long."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(answer), ENGINE_SECONDS)
    except TimeoutError:
        raise NotReady(f"the engine did not answer within {ENGINE_SECONDS:.0f} seconds; see /health") from None


def cache_report(engine: Engine) -> dict[str, Any]:
    """Bytes and tokens; `systemPromptHash`, `tokens` and `lastUpdated` are the ancestor's names."""
    figures = engine.status().cache or CacheFigures(0, 0, 0, 0, 0, 0, 0)
    entries = engine.prefixes()
    return {
        "tokens": figures.tokens,
        "systemPromptHash": latest_system(entries),
        "lastUpdated": int(time.time() * 1000),
        "bytes": figures.nbytes,
        "limit": figures.limit,
        "hit_tokens": figures.hit_tokens,
        "prompt_tokens": figures.prompt_tokens,
        "evicted": figures.evicted,
        "entries": [_entry(entry) for entry in entries],
    }


def _entry(entry: CachedPrefix) -> dict[str, Any]:
    return {
        "hash": entry.hash,
        "system_hash": entry.system_hash,
        "session": entry.session,
        "tokens": entry.tokens,
        "bytes": entry.nbytes,
        "kind": entry.kind,
        "tier": entry.tier,
        "last_used": round(entry.last_used, 3),
    }
