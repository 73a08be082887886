"""Model events to the Anthropic stream, and the stream folded into one message: the same path for both kinds of answer.

`MessageWriter` holds no table of its own: `wire.grammar` says what may follow what, and when the next event may not
stand in the present state the open block is closed first.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from anyclaude.convert.usage import anthropic_usage
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    ServerToolResult,
    ServerToolUse,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
    joined,
)
from anyclaude.wire.grammar import OPEN_BLOCK, TABLE, State
from anyclaude.wire.json import decode_lenient, encode

Event = Mapping[str, Any]

_THINKING: Final = {"type": "thinking", "thinking": "", "signature": ""}
_NO_USAGE: Final = anthropic_usage(UsageReport(0, 0, 0))


class MessageWriter:
    """Writes one message. `message_start` carries zero usage: Claude Code books it again with every `message_delta`."""

    def __init__(self, message_id: str, model: str) -> None:
        self._id = message_id
        self._model = model
        self._state = State.IDLE
        self._index = -1
        self._usage = _NO_USAGE

    @property
    def over(self) -> bool:
        return self._state in (State.DONE, State.FAILED)

    def start(self) -> Event:
        self._state = State.MESSAGE
        return {
            "type": "message_start",
            "message": {
                "id": self._id,
                "type": "message",
                "role": "assistant",
                "model": self._model,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": _NO_USAGE,
            },
        }

    def keep_alive(self) -> Event:
        """A delta that changes nothing. Claude Code ends a stream after 300 s without an event; pings do not count."""
        return {
            "type": "message_delta",
            "delta": {"stop_reason": None, "stop_sequence": None},
            "usage": {"output_tokens": 0},
        }

    def feed(self, events: Iterable[ModelEvent]) -> list[Event]:
        """The Anthropic events for some model events. Nothing may be fed after `Finished` or `Failed`.

        Neighbouring deltas of one kind become one: in a burst the client has less to do, and so have we.
        """
        out: list[Event] = []
        for event in joined(events):
            self._write(event, out)
        return out

    def _write(self, event: ModelEvent, out: list[Event]) -> None:
        match event:
            case TextDelta(text):
                self._enter(State.TEXT, {"type": "text", "text": ""}, out)
                out.append(self._delta({"type": "text_delta", "text": text}))
            case ThinkingDelta(text):
                self._enter(State.THINKING, _THINKING, out)
                out.append(self._delta({"type": "thinking_delta", "thinking": text}))
            case ThinkingSignature(signature):
                self._enter(State.THINKING, _THINKING, out)
                out.append(self._delta({"type": "signature_delta", "signature": signature}))
                self._close_for("content_block_start", out)
            case ToolArgsDelta(json):
                out.append(self._delta({"type": "input_json_delta", "partial_json": json}))
            case ToolCallStart(id, name):
                self._open(State.TOOL, {"type": "tool_use", "id": id, "name": name, "input": {}}, out)
            case ServerToolUse() | ServerToolResult():
                self._server_tool(event, out)
            case UsageReport():
                self._usage = anthropic_usage(event)
            case Finished(reason, stop_sequence):
                self._finish(reason, stop_sequence, out)
            case Failed(error):
                self._state = State.FAILED
                out.append(error.body())

    def _server_tool(self, event: ServerToolUse | ServerToolResult, out: list[Event]) -> None:
        """A result stands whole in the start of its block; an input there would not be read."""
        if isinstance(event, ServerToolResult):
            block = {"type": event.kind, "tool_use_id": event.tool_use_id, "content": event.content}
            self._open(State.RESULT, block, out)
            return
        self._open(State.TOOL, {"type": "server_tool_use", "id": event.id, "name": event.name, "input": {}}, out)
        out.append(self._delta({"type": "input_json_delta", "partial_json": encode(event.input).decode()}))

    def _enter(self, state: State, block: Mapping[str, Any], out: list[Event]) -> None:
        if self._state is not state:
            self._open(state, block, out)

    def _open(self, state: State, block: Mapping[str, Any], out: list[Event]) -> None:
        self._close_for(f"start:{block['type']}", out)
        self._state = state
        self._index += 1
        out.append({"type": "content_block_start", "index": self._index, "content_block": block})

    def _close_for(self, symbol: str, out: list[Event]) -> None:
        if symbol not in TABLE[self._state] and self._state in OPEN_BLOCK:
            out.append({"type": "content_block_stop", "index": self._index})
            self._state = TABLE[self._state]["content_block_stop"]

    def _delta(self, delta: Mapping[str, Any]) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _finish(self, reason: str, stop_sequence: str | None, out: list[Event]) -> None:
        self._close_for("finish", out)
        delta = {"stop_reason": reason, "stop_sequence": stop_sequence}
        out.append({"type": "message_delta", "delta": delta, "usage": self._usage})
        out.append({"type": "message_stop"})
        self._state = State.DONE


LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""Characters of an answer that is held in memory whole."""

_PIECES: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "input"),
}
"""Where a delta has its piece, and which field of the block grows by it."""


class MessageFold:
    """Folds the events of a stream into the message that a non-streaming answer holds.

    Deltas of a kind that is not known are passed over. Raises UpstreamBroken when it grows beyond `largest` characters.
    """

    def __init__(self, largest: int = LARGEST_MESSAGE) -> None:
        self._room = largest
        self._message: dict[str, Any] = {}
        self._pieces: dict[str, list[str]] = {}

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            match event["type"]:
                case "message_start":
                    self._message = {**event["message"], "content": []}
                case "content_block_start":
                    self._message["content"].append(dict(event["content_block"]))
                case "content_block_delta":
                    self._add(event["delta"])
                case "content_block_stop":
                    self._settle(self._message["content"][-1])
                case "message_delta" if event["delta"].get("stop_reason") is not None:
                    self._message |= event["delta"]
                    self._message["usage"] = event.get("usage", {})

    def message(self) -> dict[str, Any]:
        return self._message

    def _add(self, delta: Mapping[str, Any]) -> None:
        if delta["type"] == "citations_delta":
            block = self._message["content"][-1]
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        elif delta["type"] in _PIECES:
            read, field = _PIECES[delta["type"]]
            self._room -= len(delta[read])
            if self._room < 0:
                raise UpstreamBroken("the model server's answer found no end")
            self._pieces.setdefault(field, []).append(delta[read])

    def _settle(self, block: dict[str, Any]) -> None:
        """A block is whole. A call's input that is no JSON stays text: Claude Code tells the model what is wrong."""
        pieces, self._pieces = self._pieces, {}
        for field, texts in pieces.items():
            whole = "".join(texts)
            if field != "input":
                block[field] = block.get(field, "") + whole
            elif whole:
                parsed = decode_lenient(whole)
                block["input"] = whole if parsed is None else parsed
