"""What a scripted upstream says: replies made of small steps, which become Chat Completions chunks.

Pure: no socket here. A reply reads like a line of a conversation:

    reply(Thinks("I need the file."), calls("Read", file_path="a.txt"), calls("Bash", command="ls"))

Chunks are shaped like llama.cpp's and LM Studio's: the first one carries the role, the last ones the finish
reason and the usage, and a call's name comes whole while its arguments come in pieces.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Says:
    text: str
    pieces: int = 4


@dataclass(frozen=True)
class Thinks:
    text: str
    pieces: int = 2
    field: str = "reasoning_content"


@dataclass(frozen=True)
class Calls:
    """One tool call.

    id: None for a fresh one. pieces: how many chunks carry the arguments, 0: they come with the name.
    """

    name: str
    arguments: str
    id: str | None = None
    pieces: int = 3


@dataclass(frozen=True)
class Together:
    """Calls whose chunks come by turns, as from a server that decodes them side by side."""

    calls: tuple[Calls, ...]


@dataclass(frozen=True)
class Waits:
    """Silence until the client goes away."""


@dataclass(frozen=True)
class Breaks:
    """The connection ends here without a finish. abort: by a reset, else by a clean end of the body."""

    abort: bool = False


@dataclass(frozen=True)
class Fails:
    """An error inside the stream, and its end. error: a sentence, or OpenAI's object."""

    error: str | JsonObject


@dataclass(frozen=True)
class Sends:
    """A chunk as it stands, but for what all chunks have."""

    chunk: JsonObject


Step = Says | Thinks | Calls | Together | Waits | Breaks | Fails | Sends


@dataclass(frozen=True)
class Usage:
    """cached: None from a server that does not say, as LM Studio."""

    prompt: int = 100
    cached: int | None = 0
    completion: int = 20

    def as_json(self) -> JsonObject:
        counts: JsonObject = {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        }
        return counts if self.cached is None else {**counts, "prompt_tokens_details": {"cached_tokens": self.cached}}


@dataclass(frozen=True)
class Reply:
    steps: tuple[Step, ...]
    finish: str
    usage: Usage


@dataclass(frozen=True)
class Refusal:
    """An HTTP error instead of an answer, in OpenAI's shape, or `plain`: LM Studio's, the sentence alone."""

    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    plain: bool = False

    def as_json(self) -> JsonObject:
        if self.plain:
            return {"error": self.message}
        return {"error": {"message": self.message, "type": "scripted_error", "code": self.status}}


def calls(name: str, /, **arguments: Any) -> Calls:
    return Calls(name, json.dumps(arguments))


def reply(*steps: Step, finish: str | None = None, usage: Usage | None = None) -> Reply:
    """A streamed answer. finish None: `tool_calls` when a step calls a tool, else `stop`."""
    called = any(isinstance(step, Calls | Together) for step in steps)
    return Reply(steps, finish or ("tool_calls" if called else "stop"), usage or Usage())


def cut(text: str, pieces: int) -> list[str]:
    """The text in that many pieces of nearly one length, fewer when it is shorter."""
    count = max(1, min(pieces, len(text)))
    bounds = [len(text) * i // count for i in range(count + 1)]
    return [text[start:stop] for start, stop in itertools.pairwise(bounds)]


Pause = Literal["wait", "end", "abort"]


def chunks(answer: Reply, model: str, stream_id: str) -> Iterator[JsonObject | Pause]:
    """The payloads of a reply, the finish and the usage last; a pause says what the connection does instead.

    After `end` or `abort` nothing more is sent, so that these replies have no finish.
    """
    head = {"id": stream_id, "object": "chat.completion.chunk", "created": 1, "model": model}
    for delta in _deltas(answer.steps, stream_id):
        if isinstance(delta, Fails):
            yield {"error": delta.error}
            return
        if isinstance(delta, Sends):
            yield {**head, **delta.chunk}
        elif isinstance(delta, str):
            yield delta
            if delta != "wait":
                return
        else:
            yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish}]}
    yield {**head, "choices": [], "usage": answer.usage.as_json()}


def _deltas(steps: Sequence[Step], stream_id: str) -> Iterator[JsonObject | Pause | Fails | Sends]:
    yield {"role": "assistant", "content": None}
    numbers = itertools.count()
    for step in steps:
        match step:
            case Says(text, pieces):
                yield from ({"content": piece} for piece in cut(text, pieces))
            case Thinks(text, pieces, name):
                yield from ({name: piece} for piece in cut(text, pieces))
            case Calls():
                yield from _call_deltas(step, next(numbers), stream_id)
            case Together(several):
                yield from _by_turns([list(_call_deltas(call, next(numbers), stream_id)) for call in several])
            case Waits():
                yield "wait"
            case Fails() | Sends():
                yield step
            case Breaks(abort):
                yield "abort" if abort else "end"


def _call_deltas(call: Calls, index: int, stream_id: str) -> Iterator[JsonObject]:
    first = "" if call.pieces else call.arguments
    call_id = call.id or f"{stream_id}-call{index}"
    function = {"name": call.name, "arguments": first}
    yield {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}
    if call.pieces:
        for piece in cut(call.arguments, call.pieces):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _by_turns(streams: Sequence[Sequence[JsonObject]]) -> Iterator[JsonObject]:
    for row in itertools.zip_longest(*streams):
        yield from (delta for delta in row if delta is not None)
