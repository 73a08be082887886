"""Calls and thinking that a model wrote as text, as the events of calls and thinking.

Calls come out when the answer is over, since only then they are known to be calls. An answer that was cut off has
none. A text call that the upstream has made itself as well is a duplicate, and stays text with those beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyclaude.convert.text_calls import Call, Piece, Text, TextCalls
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.convert.tools import is_client_tool
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolArgsDelta,
    ToolCallStart,
)
from anyclaude.wire.json import decode_lenient, encode

_LARGEST = 1024 * 1024  # characters of the upstream's own calls that are compared with those in the text


def declared_tools(request: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of each tool that a request lets the model call, by name."""
    choice = request.get("tool_choice") or {}
    if choice.get("type") == "none":
        return {}
    tools = [tool for tool in request.get("tools") or () if is_client_tool(tool)]
    named = choice.get("name") if choice.get("type") == "tool" else None
    return {tool["name"]: tool.get("input_schema") or {} for tool in tools if named in (None, tool["name"])}


class TextCallEvents:
    """A stage, for one answer. found: is told of each call that was taken out of the text."""

    def __init__(self, scanner: TextCalls, ids: ToolIds, found: Callable[[Call], None]) -> None:
        self._scanner = scanner
        self._ids = ids
        self._found = found
        self._made: list[tuple[str, list[str]]] = []  # the upstream's own calls, name and arguments
        self._room = _LARGEST

    def feed(self, events: Sequence[ModelEvent]) -> list[ModelEvent]:
        told: list[ModelEvent] = []
        for event in events:
            if isinstance(event, TextDelta) and self._scanner.passes(event.text):
                told.append(event)
            elif isinstance(event, TextDelta):
                told += map(_told, self._scanner.feed(event.text))
            elif isinstance(event, Finished):
                told += self._finish(event)
            elif isinstance(event, Failed):
                told.append(event)  # what is held is not whole: nobody misses it
            else:
                self._between(event, told)
                told.append(event)
        return told

    def _between(self, event: ModelEvent, told: list[ModelEvent]) -> None:
        """Text keeps its place, but whole calls wait: they may be a second writing of what comes."""
        if isinstance(event, ToolArgsDelta):
            self._room -= len(event.json)
            if self._made and self._room > 0:
                self._made[-1][1].append(event.json)
        elif isinstance(event, ToolCallStart):
            self._made.append((event.name, []))
            if not self._scanner.has_calls:
                told += map(_told, self._scanner.let_go())
        elif isinstance(event, ThinkingDelta | ThinkingSignature):
            self._scanner.no_thinking()
            told += map(_told, self._scanner.let_go())

    def _finish(self, finished: Finished) -> list[ModelEvent]:
        is_whole = finished.reason in ("end_turn", "tool_use")
        pieces = self._scanner.end(cut=not is_whole)
        calls = [piece for piece in pieces if isinstance(piece, Call)]
        if any(self._is_made(call) for call in calls):
            return [*(_told(piece) for piece in pieces), finished]
        told: list[ModelEvent] = []
        for piece in pieces:
            if isinstance(piece, Call):
                self._found(piece)
                told.append(ToolCallStart(self._ids.claim(None), piece.name))
                told.append(ToolArgsDelta(encode(piece.arguments).decode()))
            else:
                told.append(_told(piece))
        return [*told, Finished("tool_use") if calls else finished]

    def _is_made(self, call: Call) -> bool:
        made = (pieces for name, pieces in self._made if name == call.name)
        return any(decode_lenient("".join(pieces) or "{}") == call.arguments for pieces in made)


def _told(piece: Piece) -> ModelEvent:
    """A call is told as the text that it was."""
    if isinstance(piece, Call):
        return TextDelta(piece.raw)
    return TextDelta(piece.text) if isinstance(piece, Text) else ThinkingDelta(piece.text)
