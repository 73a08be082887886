"""The Anthropic Messages API: loose shapes of its request and its events, and the bytes of an event.

The shapes name what we read and write, with every field optional. Values are plain dicts all the way, so
fields that are not named here survive; nothing is validated by these types. Source:
https://docs.claude.com/en/api/messages and .../build-with-claude/streaming, and the requests of Claude Code
2.1.197 as observed.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

from anyclaude.errors import InternalError
from anyclaude.wire import json

BlockType = Literal["text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"]


class Source(TypedDict, total=False):
    """Where the bytes of an image or a document are."""

    type: Literal["base64", "url", "text", "file"]
    media_type: str
    data: str
    url: str


class Block(TypedDict, total=False):
    """A content block. Only `type` is always there; the rest depends on it.

    `content` of a tool result is a string or blocks. `input` of a tool use is an object, but Claude Code also
    sends back strings and arrays where a model made them (observed).
    """

    type: str
    text: str
    source: Source
    id: str
    name: str
    input: Any
    tool_use_id: str
    content: "str | list[Block]"
    is_error: bool
    thinking: str
    signature: str
    data: str
    cache_control: dict[str, Any]


class Message(TypedDict, total=False):
    """A turn. Claude Code also sends `role: "system"` in mid-conversation, even last (observed)."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(TypedDict, total=False):
    """A tool definition. `type` names one of Anthropic's own tools; `custom` or absent, it is the client's."""

    type: str
    name: str
    description: str
    input_schema: dict[str, Any]


class ToolChoice(TypedDict, total=False):
    type: Literal["auto", "any", "tool", "none"]
    name: str
    disable_parallel_tool_use: bool


class Thinking(TypedDict, total=False):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int


class OutputConfig(TypedDict, total=False):
    effort: str
    format: dict[str, Any]


class MessagesRequest(TypedDict, total=False):
    model: str
    messages: list[Message]
    system: str | list[Block]
    tools: list[Tool]
    tool_choice: ToolChoice
    max_tokens: int
    stop_sequences: list[str]
    temperature: float
    top_p: float
    top_k: int
    stream: bool
    thinking: Thinking
    output_config: OutputConfig
    metadata: dict[str, Any]
    context_management: dict[str, Any]


class Usage(TypedDict, total=False):
    """Tokens. `input_tokens` leaves out those read from and written to the cache."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int


PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
"""A whole frame that says nothing."""

_HEADS: Final = {
    name: f"event: {name}\ndata: ".encode()
    for name in (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    )
}


def encode_event(event: Mapping[str, Any]) -> bytes:
    """The frame of one stream event: `event: TYPE`, `data: JSON`, a blank line.

    The name line is not decoration: Claude Code sees nothing in a stream of data lines alone (observed with
    2.1.197).

    Raises InternalError when the event's type cannot stand on a line, or its value is not JSON.
    """
    head = _HEADS.get(event["type"]) or _head(event["type"])
    return head + json.encode(event) + b"\n\n"


def _head(name: str) -> bytes:
    """For types that are not known yet. A line end in the name would begin another event."""
    if not name.isprintable():
        raise InternalError(f"An event of type {name!r} cannot be written.")
    return f"event: {name}\ndata: ".encode(errors="replace")
