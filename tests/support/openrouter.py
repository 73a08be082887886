"""A stand-in for OpenRouter: the script of `OpenAIUpstream`, told in OpenRouter's documented shapes.

    upstream.script(REFUSALS["no credits"], reply(*thinks(DETAILS), Says("Done."), usage=Billed()))

It checks the key and lists its models as OpenRouter does. Its streams have the comments, the repeated roles, the names
of the provider and the priced usage. Source: https://openrouter.ai/docs/api_reference/errors-and-debugging and its
neighbours on limits, streaming and reasoning tokens.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import JsonObject, Refusal, Sends, Usage, cut

KEY = "sk-or-v1-0123456789abcdef"
MODEL = "anthropic/claude-sonnet-4.5"
LASTING = "anthropic/claude-4.5-sonnet-20250929"
"""What answers call MODEL."""

PROVIDER = "Amazon Bedrock"
COMMENT = b": OPENROUTER PROCESSING\n\n"
LISTED: list[dict[str, Any]] = [
    {
        "id": "google/gemini-2.5-flash",
        "canonical_slug": "google/gemini-2.5-flash",
        "context_length": 1_048_576,
        "pricing": {"prompt": "0.0000003", "completion": "0.0000025"},
        "architecture": {"input_modalities": ["text", "image"]},
        "top_provider": {"max_completion_tokens": 65535},
        "supported_parameters": ["max_tokens", "reasoning", "response_format", "temperature", "tool_choice", "tools"],
    },
    {
        "id": MODEL,
        "canonical_slug": LASTING,
        "context_length": 200_000,
        "pricing": {"prompt": "0.000003", "completion": "0.000015", "input_cache_write": "0.00000375"},
        "architecture": {"input_modalities": ["text", "image"]},
        "top_provider": {"max_completion_tokens": 8000},
        "supported_parameters": ["max_tokens", "reasoning", "stop", "tool_choice", "tools"],
        "reasoning": {"supported_efforts": ["high", "medium", "low"], "mandatory": False},
    },
    {
        "id": "meta/blind:free",
        "context_length": 8192,
        "pricing": {"prompt": "0", "completion": "0"},
        "architecture": {"input_modalities": ["text"]},
        "top_provider": {"max_completion_tokens": None},
        "supported_parameters": ["max_tokens", "temperature"],
    },
]

DETAILS: list[JsonObject] = [
    {"type": "reasoning.summary", "summary": "A short süm.", "format": "openai-responses-v1", "id": "rs_1", "index": 0},
    {"type": "reasoning.text", "text": "First I look.", "format": "anthropic-claude-v1", "id": None, "index": 1}
    | {"signature": "c2ln.eyJ9"},
    {"type": "reasoning.encrypted", "data": "gAAAAB==", "format": "google-gemini-v1", "id": "call_9", "index": 2},
]
"""All types of `reasoning_details`, whole, as they have to come back."""


def thinks(details: Sequence[JsonObject]) -> list[Sends]:
    """The details in pieces: text as it is thought, the signature in a later fragment of the same index."""
    return [_thought(fragment) for detail in details for fragment in _fragments(detail)]


def _fragments(detail: JsonObject) -> list[JsonObject]:
    grows = next(name for name in ("text", "summary", "data") if name in detail)
    pieces = [detail[grows]] if grows == "data" else cut(detail[grows], 3)
    begun = {name: value for name, value in detail.items() if name != "signature"}
    ended = {name: value for name, value in detail.items() if name != grows}
    return [*(begun | {grows: piece} for piece in pieces), *([ended] if "signature" in detail else [])]


def _thought(fragment: JsonObject) -> Sends:
    readable = fragment.get("text") or fragment.get("summary")
    return Sends({"choices": [_choice({"reasoning": readable, "reasoning_details": [fragment]})]})


def cites(*pages: tuple[str, str]) -> Sends:
    """Pages that a web search of OpenRouter's found, each a title and an address."""
    annotations = [
        {"type": "url_citation", "url_citation": {"title": title, "url": url, "start_index": 0, "end_index": 1}}
        for title, url in pages
    ]
    return Sends({"choices": [_choice({"content": "", "annotations": annotations})]})


def _choice(delta: JsonObject, finish: str | None = None) -> JsonObject:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def fails(code: int, message: str, **metadata: Any) -> Sends:
    """An error in mid-stream; nothing follows it but the end of the body (`Breaks()`)."""
    error = {"code": code, "message": message, "metadata": metadata}
    return Sends({"error": error, "choices": [_choice({"content": ""}, "error")]})


@dataclass(frozen=True)
class Billed(Usage):
    """cost: US dollars. searches: of the web, by OpenRouter's own tool."""

    cached: int = 60
    cache_write: int = 30
    reasoning: int = 12
    cost: float = 0.00125
    searches: int = 0

    def as_json(self) -> JsonObject:
        return super().as_json() | {
            "prompt_tokens_details": {
                "cached_tokens": self.cached,
                "cache_write_tokens": self.cache_write,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
            **({"server_tool_use": {"web_search_requests": self.searches}} if self.searches else {}),
            "cost": self.cost,
            "is_byok": False,
            "cost_details": {"upstream_inference_cost": None},
        }


@dataclass(frozen=True)
class Refused(Refusal):
    """An HTTP error in OpenRouter's shape."""

    metadata: JsonObject = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        said = {"code": self.status, "message": self.message}
        return {"error": said | ({"metadata": self.metadata} if self.metadata else {}), "user_id": "user_2x"}


@dataclass(frozen=True)
class FailedChoice(Refused):
    """A 200 that is no stream: the error is in its choice."""

    def as_json(self) -> JsonObject:
        error = {"code": 502, "message": self.message, "metadata": self.metadata}
        half = {"role": "assistant", "content": "partial out"}
        return {"id": "gen-1", "choices": [{"message": half, "finish_reason": "error", "error": error}]}


_KEYS = "Manage it using https://openrouter.ai/settings/keys"
_ROUTING = "To learn more about provider routing, visit: https://openrouter.ai/docs/guides/routing/provider-selection"
_PRIVACY = "Configure: https://openrouter.ai/settings/privacy"
_BUDGET: JsonObject = {"reason": "in_flight_budget_exhausted", "limit_source": "openrouter_in_flight_budget"}
_FLAGGED: JsonObject = {"reasons": ["violence"], "flagged_input": "how do I ... it", "provider_name": "OpenAI"}
_LONG = "This endpoint's maximum context length is 200000 tokens. However, you requested about"
_RAW = "x/y:free is temporarily rate-limited upstream. Please retry shortly."


def _refused(status: int, message: str, retry_after: str | None = None, **metadata: Any) -> Refused:
    return Refused(status, message, (("Retry-After", retry_after),) if retry_after else (), metadata=metadata)


REFUSALS: dict[str, Refused] = {
    "no credits": _refused(402, "Insufficient credits. Add more using https://openrouter.ai/credits"),
    "too dear": _refused(402, "This request requires more credits", remedy_hint="Lower max_tokens."),
    "budget in use": _refused(402, "Retry after in-flight requests settle.", "3", **_BUDGET),
    "weekly limit": _refused(403, f"Key limit exceeded (weekly limit). {_KEYS}"),
    "wrong key": _refused(401, "User not found."),
    "moderation": _refused(403, 'o/g requires moderation. Your input was flagged for "violence".', **_FLAGGED),
    "guardrail": _refused(403, "Request blocked: prompt injection", patterns=["ignore all previous"]),
    "no tools": _refused(404, f'No endpoints found that support tool use. Try disabling "Bash". {_ROUTING}'),
    "data policy": _refused(404, f"No endpoints found matching your data policy (Paid model training). {_PRIVACY}"),
    "timeout": _refused(408, "Request timed out"),
    "busy": _refused(429, "Provider returned error", "2", provider_name="Chutes", raw=_RAW),
    "busy, no hint": _refused(429, "Rate limit exceeded", error_type="rate_limit_exceeded"),
    "provider down": _refused(502, "Provider returned error", provider_name="Chutes", raw="upstream died"),
    "none available": _refused(503, "No available model provider meets your routing requirements"),
    "overloaded": _refused(529, "Provider is temporarily overloaded", error_type="provider_overloaded"),
    "too long": _refused(400, f"{_LONG} 250000 tokens (240000 of text input, 10000 in the output)."),
    "answer too long": _refused(400, f"{_LONG} 205000 tokens (150000 of text input, 55000 in the output)."),
    "failed choice": FailedChoice(200, "Provider disconnected", metadata={"error_type": "provider_unavailable"}),
}


def limited_until(milliseconds: int) -> Refused:
    """OpenRouter's own limit of requests, without a `retry-after`. milliseconds: since the epoch."""
    limits = (("X-RateLimit-Limit", "50"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", str(milliseconds)))
    return Refused(429, "Rate limit exceeded: free-models-per-day.", limits)


class OpenRouterUpstream(OpenAIUpstream):
    """lists: how often the list of models was asked for. answers_as: what its answers call the model."""

    def __init__(self) -> None:
        super().__init__(MODEL)
        self.lists = 0
        self.answers_as = LASTING

    def _app(self) -> web.Application:
        app = super()._app()
        app.router.add_get("/v1/key", self._key)
        return app

    def _frame(self, chunk: JsonObject) -> bytes:
        """With comments before the first chunk and among the others."""
        named = chunk | {"object": "chat.completion.chunk", "model": self.answers_as, "provider": PROVIDER}
        choices = [_spelt_out(choice) for choice in chunk.get("choices", ())]
        return COMMENT + b"data: " + json.dumps(named | {"choices": choices}).encode() + b"\n\n"

    async def _models(self, _: web.Request) -> web.Response:
        self.lists += 1
        return web.json_response({"data": LISTED})

    async def _key(self, request: web.Request) -> web.Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"code": 401, "message": "User not found."}}, status=401)
        return web.json_response({"data": {"label": "sk-or-v1-012...def", "limit_remaining": 74.5}})


def _spelt_out(choice: JsonObject) -> JsonObject:
    """Each delta repeats role and content, each choice has the provider's own word for its end."""
    delta = {"role": "assistant", "content": "", **{k: v for k, v in choice["delta"].items() if v is not None}}
    return {**choice, "delta": delta, "native_finish_reason": choice["finish_reason"], "logprobs": None}
