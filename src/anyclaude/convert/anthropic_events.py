"""From Anthropic's stream to model events: the reader for an upstream that speaks the client's own language.

Blocks come one after the other there, so that most events have one counterpart. Blocks that have none in our
vocabulary (server tools, redacted thinking) are left out. `message_stop` is the observed finish: a stop reason without
it does not count.
"""

from collections.abc import Mapping
from typing import Any, Final

from anyclaude.convert.failures import convert_failure
from anyclaude.errors import AnyclaudeError, UpstreamBroken
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    ServerToolResult,
    ServerToolUse,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)
from anyclaude.wire.json import decode_lenient, encode

_STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""What stands for an error's type outside a stream: https://docs.claude.com/en/api/errors."""

_STOPS: Final[Mapping[str, StopReason]] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "refusal": "refusal",
}


_LARGEST_INPUT: Final = 64 * 1024  # characters


def stream_error(event: Mapping[str, Any]) -> AnyclaudeError:
    """The error that an `error` event tells."""
    error = event.get("error")
    kind = error.get("type") if isinstance(error, Mapping) else None
    return convert_failure(_STATUS.get(str(kind), 500), dict(event))


class _Search:
    """A call of one of Claude's own tools, whose input comes in pieces."""

    def __init__(self, use: str, name: str) -> None:
        self._use, self._name = use, name
        self._pieces: list[str] = []
        self._room = _LARGEST_INPUT

    def feed(self, piece: str) -> None:
        self._room -= len(piece)
        if self._room >= 0:
            self._pieces.append(piece)

    def whole(self) -> ServerToolUse:
        """The call; one with an input that is no object, or larger than any query, has none."""
        value = decode_lenient("".join(self._pieces)) if self._room >= 0 else None
        return ServerToolUse(self._use, self._name, value if isinstance(value, dict) else {})


class AnthropicReader:
    """Reads one stream. Its events end with one Finished or one Failed; what comes after that is ignored."""

    def __init__(self) -> None:
        self.over = False
        self._usage: dict[str, int] = {}
        self._in_call = False
        self._search: _Search | None = None
        self._searches = 0
        self._stop: Finished | None = None

    def feed(self, event: Mapping[str, Any]) -> list[ModelEvent]:
        """What one event says. An event of an unknown type, or of a wrong shape, says nothing."""
        if self.over:
            return []
        match event:
            case {"type": "message_start", "message": {"usage": {} as usage}}:
                self._count(usage)
            case {"type": "content_block_start", "content_block": {} as block}:
                self._in_call, self._search = False, None  # also where the end of the block before was not said
                return self._begin(block)
            case {"type": "content_block_delta", "delta": {} as delta}:
                return self._piece(delta)
            case {"type": "content_block_stop"}:
                return self._stopped()
            case {"type": "message_delta", "delta": {} as delta}:
                return self._turn(delta, event.get("usage"))
            case {"type": "message_stop"}:
                return self._ended()
            case {"type": "error"}:
                return self.fail(stream_error(event))
        return []

    def end(self) -> list[ModelEvent]:
        """The stream is over."""
        return self.fail(UpstreamBroken("Claude's answer ended before it was complete"))

    def fail(self, error: AnyclaudeError) -> list[ModelEvent]:
        """The stream cannot be read on. What was said before stands."""
        if self.over:
            return []
        self.over = True
        return [Failed(error)]

    def _begin(self, block: Mapping[str, Any]) -> list[ModelEvent]:
        match block:
            case {"type": "tool_use", "id": str() as id, "name": str() as name}:
                self._in_call = True
                whole = block.get("input")
                arguments = [ToolArgsDelta(encode(whole).decode())] if whole else []
                return [ToolCallStart(id, name), *arguments]
            case {"type": "server_tool_use", "id": str() as id, "name": str() as name}:
                self._search = _Search(id, name)
            case {"type": "web_search_tool_result", "tool_use_id": str() as id, "content": list() | dict() as content}:
                return [ServerToolResult(id, "web_search_tool_result", content)]
            case {"type": "text", "text": str() as text} if text:
                return [TextDelta(text)]
            case {"type": "thinking", "thinking": str() as text} if text:
                return [ThinkingDelta(text)]
        return []

    def _piece(self, delta: Mapping[str, Any]) -> list[ModelEvent]:
        match delta:
            case {"type": "input_json_delta", "partial_json": str() as piece} if self._search:
                self._search.feed(piece)
                return []
            case {"type": "input_json_delta", "partial_json": str() as piece}:
                return [ToolArgsDelta(piece)] if piece and self._in_call else []
            case _ if self._in_call or self._search:
                return []  # a call has nothing but its input
            case {"type": "text_delta", "text": str() as text}:
                return [TextDelta(text)]
            case {"type": "thinking_delta", "thinking": str() as text}:
                return [ThinkingDelta(text)]
            case {"type": "signature_delta", "signature": str() as signature}:
                return [ThinkingSignature(signature)]
        return []

    def _stopped(self) -> list[ModelEvent]:
        """A block is whole. A call of Claude's own tools is told when its input is."""
        search, self._in_call, self._search = self._search, False, None
        return [search.whole()] if search else []

    def _turn(self, delta: Mapping[str, Any], usage: object) -> list[ModelEvent]:
        if isinstance(usage, Mapping):
            self._count(usage)
        reason, sequence = delta.get("stop_reason"), delta.get("stop_sequence")
        if isinstance(reason, str):
            self._stop = Finished(_STOPS.get(reason, "end_turn"), sequence if isinstance(sequence, str) else None)
        return []

    def _ended(self) -> list[ModelEvent]:
        if self._stop is None:
            return self.fail(UpstreamBroken("Claude's answer ended without saying why"))
        self.over = True
        return [self._report(), self._stop]

    def _count(self, usage: Mapping[str, Any]) -> None:
        """The counts are cumulative: a later one replaces an earlier one."""
        self._usage |= {name: count for name, count in usage.items() if type(count) is int}
        used = usage.get("server_tool_use")
        searches = used.get("web_search_requests") if isinstance(used, Mapping) else None
        self._searches = searches if type(searches) is int and searches > 0 else self._searches

    def _report(self) -> UsageReport:
        count = self._usage.get
        cached, written = count("cache_read_input_tokens", 0), count("cache_creation_input_tokens", 0)
        prompt = count("input_tokens", 0) + cached + written
        return UsageReport(
            prompt, cached, count("output_tokens", 0), cache_write_tokens=written, web_searches=self._searches
        )
