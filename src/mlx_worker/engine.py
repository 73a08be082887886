"""What the routes ask of an engine, and what an engine says back.

An engine owns a model and a thread. Requests go in with `submit`, events come out through the request's sink, called on
the engine's thread. The events of a request are, in order: any number of `Progress`, then pieces of the answer with
`Generating` between them while a piece is held back, then exactly one `Finished` or `Failed`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mlx_worker.errors import EngineFailure, WorkerError
from mlx_worker.prefix_cache import CacheFigures

State = Literal["loading", "ready", "draining", "dead"]
FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """None and the defaults mean off. Temperature 0 is greedy."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """What an answer must be made of; a grammar holds it while it is written.

    must_call: it is one or more tool calls and nothing else. tool: the only tool that it may call, None: any.
    allowed: the only tools that it may call, where these are several; None: any.
    parallel: it may hold more than one call. schema: the text is JSON of this schema, `{}` any JSON object, None: free.
    """

    must_call: bool = False
    tool: str | None = None
    parallel: bool = True
    schema: Mapping[str, Any] | None = None
    allowed: tuple[str, ...] | None = None

    def may_call(self, name: str) -> bool:
        return self.tool in (None, name) and (self.allowed is None or name in self.allowed)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The loaded model.

    context_length: tokens. supports_tools: its chat template shows tools to it. sampling: what it was made for, used
    where a client does not say. vocabulary: how many tokens it knows, 0: not known.
    """

    id: str
    context_length: int
    supports_tools: bool
    sampling: Sampling = Sampling()
    vocabulary: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a chat template renders. `switches` are the template's own, such as `enable_thinking`."""

    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]] = ()
    switches: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered conversation.

    system_end, stable_end: token counts; the prompt up to there comes again in later requests (0 = not known).
    section: what the answer starts in, `reasoning` when the template opened the thinking itself.
    """

    tokens: tuple[int, ...]
    system_end: int = 0
    stable_end: int = 0
    section: str = "normal"


@dataclass(frozen=True, slots=True)
class Generation:
    """One request to the engine. `max_tokens` is at least 1 and fits the context.

    system_hash: the name of its system prompt and tools, for the list of what is cached.
    logprobs: how many alternatives to each token are told with its log probability, None: no log probabilities at all.
    session: who asks; while a session is active what it left in the cache stays.
    warm: only the prompt is computed, when nobody else has work, and `Finished` follows without an answer.
    """

    prompt: Prompt
    max_tokens: int
    sampling: Sampling = Sampling()
    stops: tuple[str, ...] = ()
    tools: Sequence[dict[str, Any]] = ()
    shape: AnswerShape = AnswerShape()
    logprobs: int | None = None
    session: str | None = None
    system_hash: str | None = None
    warm: bool = False


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


def failure(error: Exception) -> Failed:
    """What a client hears of an unexpected exception: its kind and words, which name no secret of ours."""
    if isinstance(error, WorkerError):
        return Failed(error)
    return Failed(EngineFailure(f"the engine failed on this request: {type(error).__name__}: {error}"))
