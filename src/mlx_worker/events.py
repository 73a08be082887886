"""What an engine tells of a request while it works.

The events of a request are, in order: any number of `Progress`, then pieces of the answer with `Generating` between
them while a piece is held back, then exactly one `Finished` or `Failed`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mlx_worker.errors import EngineFailure, WorkerError

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The prompt is being computed: `done` of `total` tokens, `cached` of them came from the cache."""

    done: int
    total: int
    cached: int


@dataclass(frozen=True, slots=True)
class TextPiece:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallBegun:
    name: str


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """The next piece of the latest call's arguments, a fragment of one JSON object."""

    json: str


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token: `raw`, its bytes; its log probability, and the likeliest alternatives at its place, itself among them.

    The bytes need not be whole characters: a vocabulary of bytes cuts those that are rare.
    """

    raw: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()

    @property
    def text(self) -> str:
        """With U+FFFD for what is no whole character."""
        return self.raw.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Of the tokens since the last such event; comes before the pieces that they became."""

    tokens: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class Generating:
    """Tokens are made, but nothing can be shown of them yet."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    reason: FinishReason
    completion_tokens: int
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    error: WorkerError


Event = (
    Progress | TextPiece | ReasoningPiece | ToolCallBegun | ToolArguments | Logprobs | Generating | Finished | Failed
)
Sink = Callable[[Event], None]


def failure(error: Exception) -> Failed:
    """What a client hears of an unexpected exception: its kind and words, which name no secret of ours."""
    if isinstance(error, WorkerError):
        return Failed(error)
    return Failed(EngineFailure(f"the engine failed on this request: {type(error).__name__}: {error}"))
