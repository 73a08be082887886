"""What the routes ask of an engine, and what it tells of itself.

An engine owns a model and a thread. Requests (`generation`) go in with `submit`, what becomes of them (`events`) comes
out through the request's sink, called on the engine's thread.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mlx_worker.events import Sink
from mlx_worker.generation import AnswerShape, Conversation, Generation, Prompt, Sampling
from mlx_worker.prefix_cache import CacheFigures

State = Literal["loading", "ready", "draining", "dead"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The loaded model.

    context_length: tokens. supports_tools: its chat template shows tools to it. sampling: what it was made for, used
    where a client does not say. vocabulary: how many tokens it knows, 0: not known.
    """

    id: str
    context_length: int
    supports_tools: bool
    sampling: Sampling = field(default_factory=Sampling)
    vocabulary: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. active: arrays in use; cached: freed ones that MLX keeps for reuse; peak: the most that were in use.

    limit: what a model may use on this machine; resident: of the whole program, as the system counts it.
    """

    active: int
    cached: int
    peak: int
    limit: int
    resident: int


@dataclass(frozen=True, slots=True)
class Drafted:
    """Tokens since the start: those that a draft model proposed, and of these those that the model said too."""

    proposed: int
    taken: int


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """One entry of the prefix cache. hash: of its tokens; system_hash: of the request that it began with, if known.

    last_used: seconds since the epoch. tier: where it is kept, `memory` or `disk`.
    """

    hash: str
    system_hash: str | None
    session: str | None
    tokens: int
    nbytes: int
    kind: str
    tier: str
    last_used: float


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Seconds, tokens, tokens a second. `active`: prefilling and decoding; `waiting`: accepted, not begun.

    room: requests more that would be accepted now; None where there is no bound.
    warming: prompts that are computed ahead, or wait for it; they are no part of the figures before.
    finished, failed, cancelled: requests since the start; average_seconds: from arrival to the end of those finished.
    """

    state: State
    reason: str | None = None
    active: int = 0
    waiting: int = 0
    room: int | None = None
    warming: int = 0
    queued_tokens: int = 0
    heartbeat_age: float = 0.0
    hung: bool = False
    prefill_tps: float | None = None
    decode_tps: float | None = None
    finished: int = 0
    failed: int = 0
    consecutive_failures: int = 0
    cancelled: int = 0
    average_seconds: float = 0.0
    cache: CacheFigures | None = None
    memory: Memory | None = None
    draft: Drafted | None = None


class Engine(Protocol):
    @property
    def card(self) -> ModelCard | None:
        """The loaded model, None before it is loaded."""
        ...

    def start(self) -> None: ...

    def stop(self, deadline: float) -> None:
        """End the thread within `deadline` seconds; what is still in work fails."""
        ...

    def drain(self) -> None:
        """Take no more requests; those in work go on."""
        ...

    def status(self) -> EngineStatus: ...

    def check_room(self, preparing: int) -> None:
        """Whether a request could be queued beside those still prepared. Raises QueueFull or NotReady."""
        ...

    def prepare(self, conversation: Conversation, shape: AnswerShape | None = None) -> Prompt:
        """Render a conversation; with `shape`, make ready what its answer will be held to. Slow on long prompts: call
        it off the event loop. Raises WorkerError."""
        ...

    def count(self, text: str) -> int:
        """The tokens of a text. Slow on long ones, as `prepare`. Raises NotReady."""
        ...

    def cached(self, prompt: Prompt) -> Future[int]:
        """How many tokens of a prompt need not be computed, told when the engine gets to it. Raises NotReady."""
        ...

    def prefixes(self) -> Sequence[CachedPrefix]:
        """What is in the prefix cache, at most a second old while the engine computes."""
        ...

    def drop_cache(self) -> Future[int]:
        """Forget all but what requests in work use; how many entries went is told when it is done. Raises NotReady."""
        ...

    def submit(self, generation: Generation, sink: Sink) -> object:
        """Queue a request; returns its ticket. Raises QueueFull or NotReady."""
        ...

    def cancel(self, ticket: object) -> None:
        """Stop a request wherever it is. The sink hears nothing more of worth; finished tickets are ignored."""
        ...
