"""What the policies know of a node and of a request. Values; nothing here asks anybody.

A node that is our own worker says all of a `Report` (`/health` and `/cache`); any other OpenAI-compatible server says
little of it, and what it does not say is learnt from its answers, or left at its default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

NodeState = Literal["loading", "ready", "draining", "dead"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a node says of itself. Tokens, tokens a second, bytes; None where it does not say.

    waiting, queued_tokens: requests that have not begun, and the tokens of prompts that are still to be computed.
    room: requests more that it would take now.
    systems: names (`wire.prefix`) of the system prompts and tools that it holds. sessions: tokens held for a session.
    cached_tokens: all that it holds, where what two prompts have in common may count twice.
    first_token_mean, first_token_p95: seconds from a request's coming to its first token, of its last requests.
    instance: another one after each start, when everything that was in its memory is gone.
    """

    state: NodeState = "ready"
    model: str | None = None
    context_length: int | None = None
    supports_tools: bool | None = None
    active: int = 0
    waiting: int = 0
    room: int | None = None
    queued_tokens: int = 0
    prefill_tps: float | None = None
    decode_tps: float | None = None
    memory_used: int | None = None
    memory_limit: int | None = None
    systems: frozenset[str] = frozenset()
    sessions: Mapping[str, int] = field(default_factory=dict)
    cached_tokens: int | None = None
    hit_rate: float | None = None
    first_token_mean: float | None = None
    first_token_p95: float | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as the policies see it. Tokens are estimates.

    session: who asks, main agent and subagents told apart; None: nobody says. prefix: the name of its system prompt and
    tools (`wire.prefix`), which take `prefix_tokens` of its `tokens`. small: a title, a classifier: quick, and someone
    waits for it.
    """

    prefix: str
    tokens: int
    prefix_tokens: int = 0
    session: str | None = None
    small: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """How a request went at a node. Seconds and tokens.

    first_token: from sending to the first content. cached: of `prompt` tokens, those that had not to be computed; None
    where the node does not say.
    """

    first_token: float
    prompt: int
    cached: int | None = None
    output: int = 0
