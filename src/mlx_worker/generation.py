"""What is asked of an engine: a conversation, the prompt that it is rendered to, and how to answer it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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
