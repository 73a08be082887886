"""What the server asks of a backend: two small protocols, so that a new upstream is one new file.

A `Backend` answers in model events. A `Relay` also hands requests and answers on byte for byte: that is Claude itself.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from anyclaude.wire.events import ModelEvent


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that a backend offers.

    context_window: tokens, as loaded, None when the upstream does not say.
    note: what the person should know about it before the launch, one sentence.
    price: in words, None where none is known.
    tools: whether its chat template takes tools, None when the upstream does not say.
    images: whether it takes images, None when the upstream does not say.
    """

    id: str
    context_window: int | None = None
    tools: bool | None = None
    images: bool | None = None
    note: str | None = None
    price: str | None = None


class Journal(Protocol):
    """Where backends say what they do with a request, for its trace and for the log. Cheap, and never raises."""

    def note(self, kind: str, **facts: Any) -> None:
        """Something worth knowing: `route`, `model`, `prompt`, `fallback`, `queue`, `learnt`, `repair`, `search`,
        `usage`, `warning`.
        """

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        """The body as it goes upstream."""

    def mark(self, moment: str) -> None:
        """A moment that its time is kept of: `accepted` when the upstream's head came."""


class NoJournal:
    """Keeps nothing."""

    def note(self, kind: str, **facts: Any) -> None: ...
    def sent(self, body: Mapping[str, Any] | bytes) -> None: ...
    def mark(self, moment: str) -> None: ...


NO_JOURNAL: Final = NoJournal()


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came. path: with its query. headers: in their order, repeats included; they hold credentials.

    upload: in place of `body`, what is too large to hold; it can be read once. length: its bytes, if known.
    """

    method: str
    path: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    upload: AsyncIterable[bytes] | None = field(default=None, repr=False)
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from Claude Code's own headers: correlation for caches, never authorisation.

    raw: the request as it came, for a backend that passes it on; None for one of our own making.
    """

    session_id: str | None = None
    agent_id: str | None = None
    journal: Journal = NO_JOURNAL
    raw: RawRequest | None = None

    @property
    def size(self) -> int:
        """Bytes of the request, 0 for one of our own making."""
        return len(self.raw.body) if self.raw else 0


EventBatches = AsyncIterator[Sequence[ModelEvent]]


class Backend(Protocol):
    """An upstream that can answer a Messages request. `model` is its own name for one, None for what it is set to."""

    name: str

    def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AbstractAsyncContextManager[EventBatches]:
        """Send a Messages request. Entering returns once the upstream has accepted it; leaving closes it at once.

        The iterator yields the events of one upstream read at a time. An empty batch means that the upstream is alive
        but has nothing to say yet. The last batch ends with `Finished` or `Failed`.

        Raises AnyclaudeError on entering, when the upstream is not reached or does not accept the request.
        """
        ...

    async def models(self) -> list[ModelInfo]:
        """The models on offer, the one that answers first. Raises UpstreamError."""
        ...

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that will answer. Raises SetupError, with the next step, when none can."""
        ...

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        """The prompt tokens of a Messages request, exact or a calibrated estimate, never 0."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@runtime_checkable
class Sighted(Protocol):
    """A backend that knows whether a model of it takes images. Of others it is taken for granted."""

    def sees(self, model: str | None) -> bool: ...


class RelayedAnswer(Protocol):
    """An answer that is handed on as it comes.

    headers: those that the client may see, in their order. closing: seconds that its connection gets to end once the
    answer is whole.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    closing: float

    def reads(self) -> AsyncIterator[bytes]:
        """What each read of the socket gives. Raises UpstreamError when it breaks."""


@runtime_checkable
class Relay(Backend, Protocol):
    """A backend that speaks the client's own language."""

    def relay(self, raw: RawRequest) -> AbstractAsyncContextManager[RelayedAnswer]:
        """Hand a request on, byte for byte but for its head. Entering returns with the head of the answer, whatever its
        status; leaving closes it at once. Raises UpstreamError on entering when the upstream is not reached.
        """
        ...
