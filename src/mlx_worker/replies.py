"""The shapes of what the worker answers, for its OpenAPI description and for the tests that hold it to them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorObject(BaseModel):
    """OpenAI's, and the status, which inside a stream has no other place. The last two fields are llama.cpp's."""

    message: str
    type: str
    param: str | None
    code: str | None
    http_status: int
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class ErrorReply(Reply):
    error: ErrorObject


class FunctionReply(Reply):
    name: str
    arguments: str


class ToolCallReply(Reply):
    id: str
    type: Literal["function"]
    function: FunctionReply


class MessageReply(Reply):
    """`content` is null beside calls alone."""

    role: Literal["assistant"]
    content: str | None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallReply] | None = None


class Alternative(Reply):
    token: str
    logprob: float
    bytes: list[int]


class TokenReply(Alternative):
    top_logprobs: list[Alternative]


class LogprobsReply(Reply):
    content: list[TokenReply]
    refusal: None


class ChoiceReply(Reply):
    """`stop_reason` is the stop string that ended the answer."""

    index: int
    message: MessageReply
    logprobs: LogprobsReply | None
    finish_reason: Literal["stop", "length", "tool_calls"]
    stop_reason: str | None = None


class PromptDetails(Reply):
    cached_tokens: int


class UsageReply(Reply):
    """Tokens. `prompt_tokens` includes the cached ones."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails


class CompletionReply(Reply):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChoiceReply]
    usage: UsageReply


class ModelReply(Reply):
    """`context_length` in tokens. `supports_tools`: the chat template shows tools to the model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    context_length: int
    supports_tools: bool


class ModelsReply(Reply):
    object: Literal["list"]
    data: list[ModelReply]


class CacheEntryReply(Reply):
    """`system_hash` as `anyclaude.wire.prefix` has it; `last_used` in seconds since the epoch."""

    hash: str
    system_hash: str | None
    session: str | None
    tokens: int
    bytes: int
    kind: str
    tier: str
    last_used: float


class CacheReply(Reply):
    """`hit_tokens` of `prompt_tokens` came from the cache since the start; `lastUpdated` in milliseconds."""

    tokens: int
    systemPromptHash: str  # noqa: N815 (the ancestor's name, as those below)
    lastUpdated: int  # noqa: N815
    bytes: int
    limit: int
    hit_tokens: int
    prompt_tokens: int
    evicted: int
    entries: list[CacheEntryReply]


class WarmReply(Reply):
    """`hash`: of the tokens; `system_hash`: of the request. `cached`: nothing was left to compute."""

    status: Literal["cached", "warming"]
    cached: bool
    hash: str
    system_hash: str
    tokens: int
    cached_tokens: int


class DropReply(Reply):
    """Entries that went."""

    dropped: int


class CountReply(Reply):
    """Tokens."""

    count: int


class ProofReply(Reply):
    """`proof`: see `anyclaude.wire.proof`. `address`: where this worker was asked, as its own socket says."""

    nonce: str
    instance: str
    address: str
    proof: str


class HealthReply(BaseModel):
    """Without the worker's token, where there is one, `status` and `state` are all."""

    status: Literal["healthy", "degraded", "unhealthy"]
    state: Literal["loading", "ready", "draining", "dead"]
    reason: str | None = None
    model: str | None = None
    active: int | None = None
    waiting: int | None = None
    room: int | None = None
    queued_prefill_tokens: int | None = None
    prefill_tps: float | None = None
    decode_tps: float | None = None
    first_token: dict[str, float | None] | None = None
    heartbeat_age: float | None = None
    memory: dict[str, int] | None = None
    draft: dict[str, int] | None = None
    health: dict[str, Any] = Field(default_factory=dict)
    cache: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
