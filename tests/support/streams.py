"""The vocabulary of stream tests: chunks as an upstream would say them, and what comes of them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.message import Event, MessageFold, MessageWriter
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.wire.events import Failed, ModelEvent
from anyclaude.wire.grammar import Grammar

Chunk = dict[str, Any]


def delta(finish: str | None = None, **fields: Any) -> Chunk:
    """A chunk with one choice."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def text(content: str) -> Chunk:
    return delta(content=content)


def call(index: int | None = 0, id: str | None = None, name: str | None = None, args: Any = None) -> Chunk:
    """A chunk with one fragment of one tool call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", args)) if value is not None}
    fragment = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return delta(tool_calls=[{**fragment, "type": "function", "function": function}])


def finish(reason: str = "stop") -> Chunk:
    return delta(finish=reason)


def usage(prompt: int, output: int, cached: int = 0) -> Chunk:
    details = {"cached_tokens": cached}
    counts = {"prompt_tokens": prompt, "completion_tokens": output, "prompt_tokens_details": details}
    return {"choices": [], "usage": counts}


def ids(*taken: str) -> ToolIds:
    """Ids that are minted as new-1, new-2, ..."""
    numbers = count(1)
    return ToolIds(taken, lambda: f"new-{next(numbers)}")


def read(*chunks: object, taken: Sequence[str] = (), stops: Sequence[str] = ()) -> list[ModelEvent]:
    """The model events of a whole stream, to the end of its input."""
    reader = ChunkReader(ids(*taken), stops)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.end()


def write(events: Iterable[ModelEvent]) -> list[Event]:
    """The Anthropic stream for some model events; the grammar has accepted it, up to its end."""
    writer = MessageWriter("msg_1", "model")
    stream = [writer.start(), *writer.feed(events)]
    grammar = Grammar()
    for event in stream:
        grammar.feed(event)
    grammar.end()
    return stream


def fold(events: Sequence[ModelEvent]) -> Mapping[str, Any]:
    """The message that model events make."""
    assert not isinstance(events[-1], Failed), events[-1]
    folding = MessageFold()
    folding.feed(write(events))
    return folding.message()


def content(*chunks: object, **how: Any) -> list[Mapping[str, Any]]:
    """The content blocks that chunks make."""
    blocks: list[Mapping[str, Any]] = fold(read(*chunks, **how))["content"]
    return blocks
