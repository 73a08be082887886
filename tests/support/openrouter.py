"""A stand-in for OpenRouter: the script of `OpenAIUpstream`, told in OpenRouter's documented shapes.

It checks the key and lists its models as OpenRouter does.
"""

from typing import Any

from aiohttp import web

from tests.support.openai_upstream import OpenAIUpstream

KEY = "sk-or-v1-0123456789abcdef"
MODEL = "anthropic/claude-sonnet-4.5"
LISTED: list[dict[str, Any]] = [
    {
        "id": "google/gemini-2.5-flash",
        "context_length": 1_048_576,
        "pricing": {"prompt": "0.0000003", "completion": "0.0000025"},
        "architecture": {"input_modalities": ["text", "image"]},
        "top_provider": {"max_completion_tokens": 65535},
        "supported_parameters": ["max_tokens", "reasoning", "response_format", "temperature", "tool_choice", "tools"],
    },
    {
        "id": MODEL,
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


class OpenRouterUpstream(OpenAIUpstream):
    """lists: how often the list of models was asked for."""

    def __init__(self) -> None:
        super().__init__(MODEL)
        self.lists = 0

    def _app(self) -> web.Application:
        app = super()._app()
        app.router.add_get("/v1/key", self._key)
        return app

    async def _models(self, _: web.Request) -> web.Response:
        self.lists += 1
        return web.json_response({"data": LISTED})

    async def _key(self, request: web.Request) -> web.Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"code": 401, "message": "User not found."}}, status=401)
        return web.json_response({"data": {"label": "sk-or-v1-012...def", "limit_remaining": 74.5}})
