"""Chat Completions: loose shapes of its request, its chunks and its whole answer.

Every field is optional, and values are plain dicts all the way, so fields that are not named here survive.
What an upstream sends may break these shapes at any point; readers check what they take. Source:
https://platform.openai.com/docs/api-reference/chat and its streaming page; fields beyond it say whose they
are.
"""

from typing import Any, Final, Literal, TypedDict

DONE: Final = b"[DONE]"
"""The payload of the event that ends a stream."""

FinishReason = Literal["stop", "length", "tool_calls", "function_call", "content_filter"]


class ImageUrl(TypedDict, total=False):
    """`url` is an address or a `data:` URL."""

    url: str
    detail: Literal["auto", "low", "high"]


class Part(TypedDict, total=False):
    type: Literal["text", "image_url"]
    text: str
    image_url: ImageUrl


class FunctionCall(TypedDict, total=False):
    """`arguments` is JSON text; in a chunk, a piece of it."""

    name: str
    arguments: str


class ToolCall(TypedDict, total=False):
    """`index` only in chunks: it says which call of the answer the piece belongs to."""

    index: int
    id: str
    type: Literal["function"]
    function: FunctionCall


class ChatMessage(TypedDict, total=False):
    """`reasoning_content` is read by chat templates that keep earlier thinking (Qwen, DeepSeek)."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None
    name: str
    tool_calls: list[ToolCall]
    tool_call_id: str
    reasoning_content: str


class FunctionDefinition(TypedDict, total=False):
    name: str
    description: str
    parameters: dict[str, Any]
    strict: bool


class ToolDefinition(TypedDict, total=False):
    type: Literal["function"]
    function: FunctionDefinition


class StreamOptions(TypedDict, total=False):
    """`include_usage`: a last chunk with empty `choices` carries the usage."""

    include_usage: bool


class ChatRequest(TypedDict, total=False):
    """`top_k` and `chat_template_kwargs` are llama.cpp's and vLLM's, `cache_prompt` is llama.cpp's."""

    model: str
    messages: list[ChatMessage]
    tools: list[ToolDefinition]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    max_tokens: int
    stop: list[str]
    temperature: float
    top_p: float
    top_k: int
    stream: bool
    stream_options: StreamOptions
    response_format: dict[str, Any]
    reasoning_effort: str
    chat_template_kwargs: dict[str, Any]
    cache_prompt: bool


class Delta(TypedDict, total=False):
    """What a chunk adds. Thinking is `reasoning_content` (llama.cpp, LM Studio) or `reasoning` (OpenRouter)."""

    role: str
    content: str | None
    refusal: str | None
    reasoning_content: str | None
    reasoning: str | None
    tool_calls: list[ToolCall]


class Choice(TypedDict, total=False):
    """`delta` in a chunk, `message` in a whole answer."""

    index: int
    delta: Delta
    message: Delta
    finish_reason: FinishReason | None


class PromptTokensDetails(TypedDict, total=False):
    cached_tokens: int


class ChatUsage(TypedDict, total=False):
    """Tokens. `prompt_tokens` includes the cached ones, unlike Anthropic's `input_tokens`."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails | None


class Chunk(TypedDict, total=False):
    """One payload of the stream, or the whole answer. `error` takes the place of `choices` when it failed."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage | None
    error: dict[str, Any] | str
