"""Claude itself: requests and answers are handed on byte for byte."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from anyclaude.backends.base import Caller, EventBatches, ModelInfo, RawRequest, RelayedAnswer
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Claude


class ClaudeBackend:
    """Anthropic's API, with Claude Code's own login or key."""

    name = "claude"

    def __init__(self, settings: Claude, deadlines: Deadlines) -> None:
        self._settings = settings
        self._deadlines = deadlines

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        if not self._settings.enabled:
            yield  # type: ignore[misc]
        raise NotImplementedError

    @asynccontextmanager
    async def relay(self, raw: RawRequest) -> AsyncIterator[RelayedAnswer]:
        if not self._settings.enabled:
            yield  # type: ignore[misc]
        raise NotImplementedError

    async def models(self) -> list[ModelInfo]:
        raise NotImplementedError

    async def ready(self, model: str | None = None) -> ModelInfo:
        raise NotImplementedError

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        raise NotImplementedError

    async def aclose(self) -> None:
        return
