"""The message that a client was streamed, folded for its record: whatever came, whole or cut, known or new.

`convert.message.MessageFold` folds our own events into an answer and may rely on them. Here events may be Claude's, of
kinds that we do not know yet, and the stream may end anywhere; nothing is refused, and nothing raises for its shape.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from anyclaude.wire.json import decode_lenient

LARGEST: Final = 8_000_000
"""Characters of an answer that a record holds; the rest is left out, and the message says `cut`."""

_PIECES: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
    "signature_delta": ("signature", "signature"),
}


class Fold:
    """Folds Anthropic events. `message` is what there is so far; its `content` is always there."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._room = self._largest = largest
        self._message: dict[str, Any] = {"content": []}
        self._blocks: dict[Any, dict[str, Any]] = {}
        self._pieces: dict[tuple[Any, str], list[str]] = {}

    @property
    def size(self) -> int:
        """Characters that are held."""
        return self._largest - self._room

    def feed(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            match event:
                case {"type": "message_start", "message": dict(message)}:
                    self._message = {**message, "content": []}
                case {"type": "content_block_start", "index": index, "content_block": dict(block)}:
                    self._blocks[index] = dict(block)
                case {"type": "content_block_delta", "index": index, "delta": dict(delta)}:
                    self._add(index, delta)
                case {"type": "message_delta", "delta": dict(delta)}:
                    self._end(delta, event.get("usage"))
                case {"type": "error", "error": error}:
                    self._message["error"] = error

    def message(self) -> dict[str, Any]:
        content = [self._settled(index, block) for index, block in self._blocks.items()]
        return {**self._message, "content": content}

    def _add(self, index: object, delta: Mapping[str, Any]) -> None:
        read, written = _PIECES.get(delta.get("type", ""), ("", ""))
        piece = delta.get(read)
        if not isinstance(piece, str):
            self._keep_unknown(index, delta)
        elif (self._room - len(piece)) < 0:
            self._message["cut"] = True
        else:
            self._room -= len(piece)
            self._pieces.setdefault((index, written), []).append(piece)

    def _keep_unknown(self, index: object, delta: Mapping[str, Any]) -> None:
        kept = self._blocks.get(index, {}).setdefault("deltas", [])
        if len(kept) < 100:
            kept.append(dict(delta))

    def _end(self, delta: Mapping[str, Any], usage: object) -> None:
        self._message |= {key: value for key, value in delta.items() if value is not None}
        if isinstance(usage, dict) and (delta.get("stop_reason") or len(usage) > 1):
            self._message["usage"] = {**self._message.get("usage", {}), **usage}

    def _settled(self, index: object, block: dict[str, Any]) -> dict[str, Any]:
        block = dict(block)
        for (of, key), pieces in self._pieces.items():
            if of == index:
                block[key] = _whole(key, block.get(key), "".join(pieces))
        return block


def _whole(key: str, before: object, text: str) -> object:
    """Arguments that are no JSON, as of a call that was cut, stay text."""
    if key == "input":
        parsed = decode_lenient(text)
        return text if parsed is None else parsed
    return before + text if isinstance(before, str) else text
