"""What the server asks of a backend: one small protocol, so that a new upstream is one new file."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from anyclaude.wire.events import ModelEvent


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that a backend offers.

    context_window: tokens, as loaded, None when the upstream does not say.
    tools: whether its chat template takes tools, None when the upstream does not say.
    images: whether it takes images, None when the upstream does not say.
    """

    id: str
    context_window: int | None = None
    tools: bool | None = None
    images: bool | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from Claude Code's own headers: correlation for caches, never authorisation."""

    session_id: str | None = None
    agent_id: str | None = None


EventBatches = AsyncIterator[Sequence[ModelEvent]]


class Backend(Protocol):
    """An upstream that can answer a Messages request."""

    name: str

    def stream(self, request: Mapping[str, Any], caller: Caller) -> AbstractAsyncContextManager[EventBatches]:
        """Send a Messages request. Entering returns once the upstream has accepted it; leaving closes it at once.

        The iterator yields the events of one upstream read at a time. An empty batch means that the upstream is alive
        but has nothing to say yet. The last batch ends with `Finished` or `Failed`.

        Raises AnyclaudeError on entering, when the upstream is not reached or does not accept the request.
        """
        ...

    async def models(self) -> list[ModelInfo]:
        """The models on offer, the one that answers first. Raises UpstreamError."""
        ...

    async def ready(self) -> ModelInfo:
        """The model that will answer. Raises SetupError, with the next step, when none can."""
        ...

    async def count_tokens(self, request: Mapping[str, Any]) -> int:
        """The prompt tokens of a Messages request, exact or a calibrated estimate, never 0."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
