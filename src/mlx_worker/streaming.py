"""Engine events -> OpenAI chunks -> bytes, and the same events folded into one whole completion.

`ChunkWriter` gives chunks, `fold` adds chunks up: streaming and not are one path. Each tool call comes with its name
first and its arguments after; usage always comes, in a last chunk without choices. OpenAI's servers send that chunk
only when asked (`stream_options.include_usage`); its SDKs read it either way, and whoever meters by it needs it.

Log probabilities ride on the next chunk that there is: what they belong to may not be text that can be shown.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import orjson

from mlx_worker.errors import WorkerError
from mlx_worker.events import (
    Event,
    Failed,
    Finished,
    Generating,
    Logprobs,
    Progress,
    ReasoningPiece,
    TextPiece,
    TokenLogprob,
    ToolArguments,
    ToolCallBegun,
)

DONE = b"data: [DONE]\n\n"
_HERE = "\0"
"""Stands for a piece of text; in no model's name."""


class ChunkWriter:
    """One answer's chunks. `error` is set when the engine gave up; no chunk ends the answer then."""

    def __init__(self, model: str, prompt_tokens: int) -> None:
        self._model = model
        self._prompt_tokens = prompt_tokens
        self._id = f"chatcmpl-{uuid4().hex}"
        self._created = int(time.time())
        self._cached = 0
        self._calls = 0
        self._begun = False
        self._logprobs: list[dict[str, Any]] = []
        self._plain: dict[str, tuple[bytes, bytes]] = {}
        self.error: WorkerError | None = None

    def feed(self, event: Event) -> Iterator[dict[str, Any]]:
        match event:
            case TextPiece(text):
                yield self._delta({"content": text})
            case ReasoningPiece(text):
                yield self._delta({"reasoning_content": text})
            case ToolCallBegun(name):
                self._calls += 1
                function = {"name": name, "arguments": ""}
                yield self._call({"id": f"call_{uuid4().hex[:24]}", "type": "function", "function": function})
            case ToolArguments(text):
                yield self._call({"function": {"arguments": text}})
            case Progress(cached=cached):
                self._cached = cached
            case Finished():
                yield self._delta({}, event)
                yield self._chunk([], self._usage(event.completion_tokens))
            case Failed(error):
                self.error = error
            case Logprobs(tokens):
                self._logprobs += [_token_logprob(token) for token in tokens]
            case Generating():
                pass

    def frame(self, event: Event) -> bytes:
        """The chunks of an event, encoded. Of pieces of text, all but the text is the same each time."""
        match event:
            case TextPiece(text) if self._begun and not self._logprobs:
                before, after = self._plain.get("content") or self._around("content")
            case ReasoningPiece(text) if self._begun and not self._logprobs:
                before, after = self._plain.get("reasoning_content") or self._around("reasoning_content")
            case _:
                return b"".join(map(encode, self.feed(event)))
        return before + orjson.dumps(text) + after

    def _around(self, key: str) -> tuple[bytes, bytes]:
        before, _, after = encode(self._delta({key: _HERE})).partition(orjson.dumps(_HERE))
        self._plain[key] = before, after
        return before, after

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        return self._delta({"tool_calls": [{"index": self._calls - 1, **call}]})

    def _delta(self, delta: dict[str, Any], end: Finished | None = None) -> dict[str, Any]:
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", **({} if delta else {"content": ""}), **delta}
        choice: dict[str, Any] = {
            "index": 0,
            "delta": delta,
            "logprobs": {"content": self._logprobs, "refusal": None} if self._logprobs else None,
            "finish_reason": end.reason if end else None,
        }
        self._logprobs = []
        if end and end.stop is not None:
            choice["stop_reason"] = end.stop
        return self._chunk([choice])

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> dict[str, Any]:
        chunk = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        return chunk if usage is None else chunk | {"usage": usage}

    def _usage(self, completion: int) -> dict[str, Any]:
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self._prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": self._cached},
        }


def _token_logprob(token: TokenLogprob) -> dict[str, Any]:
    return _logprob(token) | {"top_logprobs": [_logprob(TokenLogprob(raw, value)) for raw, value in token.top]}


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    """Whoever wants characters joins the bytes. -9999.0 is OpenAI's own word for a token that could not come."""
    known = token.logprob if math.isfinite(token.logprob) else -9999.0
    return {"token": token.text, "logprob": known, "bytes": list(token.raw)}


def encode(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def encode_batch(writer: ChunkWriter, events: Sequence[Event]) -> bytes:
    """The bytes of one write: what can be shown of these events, comments for what cannot."""
    frames: list[bytes] = []
    for event in events:
        if isinstance(event, Progress):
            frames.append(b": prefill %d/%d\n\n" % (event.done, event.total))
        elif isinstance(event, Generating):
            frames.append(b": generating %d\n\n" % event.tokens)
        frames.append(writer.frame(event))
        if isinstance(event, Finished):
            frames.append(DONE)
    if writer.error is not None:
        frames.append(encode(writer.error.body()))
    return b"".join(frames)


def fold(chunks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All chunks of an answer as one completion. The last chunk is the one with the usage."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": None}
    for part in (part for chunk in chunks for part in chunk["choices"]):
        _add(message, part["delta"])
        choice["finish_reason"] = part["finish_reason"]
        if part["logprobs"]:
            choice["logprobs"] = choice["logprobs"] or {"content": [], "refusal": None}
            choice["logprobs"]["content"] += part["logprobs"]["content"]
        choice.update({key: part[key] for key in ("stop_reason",) if key in part})
    if message["content"] is None and "tool_calls" not in message:
        message["content"] = ""
    head = {key: chunks[-1][key] for key in ("id", "created", "model")}
    return head | {"object": "chat.completion", "choices": [choice], "usage": chunks[-1]["usage"]}


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key in ("content", "reasoning_content"):
        if delta.get(key):
            message[key] = (message.get(key) or "") + delta[key]
    for call in delta.get("tool_calls", ()):
        if "id" in call:
            whole = {key: call[key] for key in ("id", "type", "function")}
            message.setdefault("tool_calls", []).append(whole)
        else:
            function = message["tool_calls"][call["index"]]["function"]
            function["arguments"] += call["function"]["arguments"]
