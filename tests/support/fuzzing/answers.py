"""What is fuzzed: an answer, from chunks or from bytes to what the client is told."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anthropic
import httpx2

from anyclaude.backends.base import Caller
from anyclaude.backends.mending import call_ids, stages_of
from anyclaude.convert.answer_reader import AnswerReader
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.convert.profile import Profile
from anyclaude.errors import AnyclaudeError, UpstreamBroken
from anyclaude.wire.anthropic import encode_event
from anyclaude.wire.events import Failed, Finished, ModelEvent
from anyclaude.wire.grammar import Grammar
from anyclaude.wire.json import decode_lenient, encode
from anyclaude.wire.sse import SseDecoder
from tests.support.fuzzing.asked import ASKED
from tests.support.fuzzing.source import Source

_TALK: Final = (
    "Hi",
    " there",
    "\n",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "a" * 30,
    "é",
    "\ud83d",
    "\ude00",
    "`",
)
_WRITTEN: Final = (
    '{"name": "Bash", "arguments": {"command": "ls"}}',
    '{"command": "ls"',
    '"}',
    "}",
    "{",
    "null",
    '{"command"',
    ": 1}",
    "",
)
_FIELDS: Final = (
    "content",
    "reasoning_content",
    "reasoning",
    "tool_calls",
    "refusal",
    "role",
    "annotations",
    "reasoning_details",
)
_TOP: Final = (
    "choices",
    "usage",
    "error",
    "delta",
    "message",
    "finish_reason",
    "index",
    "id",
    "function",
    "arguments",
    "name",
    *_FIELDS,
)
_WHYS: Final = ("stop", "length", "tool_calls", "content_filter", "error", "eos", "")


def chunks(given: bytes) -> None:
    """Any chunks, through every stage: one legal stream with one end, which the official SDK folds to our message."""
    source = Source(given)
    profile = Profile(repairs=bool(source.byte() % 4), text_calls=bool(source.byte() % 4))
    ids = call_ids(ASKED)
    reading = AnswerReader(
        ChunkReader(ids, ("END",), "m" if source.byte() % 4 == 0 else None), stages_of(ASKED, Caller(), profile, ids)
    )
    fold, to_sdk = source.byte() % 32 == 0, bytearray()
    writer, grammar, folding = MessageWriter("msg_1", "m"), Grammar(), MessageFold()
    told: list[ModelEvent] = []
    events = [writer.start()]
    while not reading.over and source.left > 0:
        told += (batch := reading.staged(_fed(reading, source)))
        events += writer.feed(batch)
    if not reading.over:
        told += (batch := reading.staged(reading.end()))
        events += writer.feed(batch)
    for event in events:
        grammar.feed(event)
        to_sdk += encode_event(event)
    grammar.end()
    assert sum(isinstance(event, Finished | Failed) for event in told) == 1, told
    assert isinstance(told[-1], Finished | Failed)
    if isinstance(told[-1], Finished):
        assert reading.finish_observed or profile.repairs
        folding.feed(events)
        if fold and all(isinstance(block.get("input", {}), dict) for block in folding.message()["content"]):
            _same_as_the_sdk(bytes(to_sdk), folding.message())


def _fed(reading: AnswerReader, source: Source) -> Sequence[ModelEvent]:
    kind = source.below(8)
    if kind == 7:
        return reading.done() if source.byte() % 4 == 0 else reading.fail(UpstreamBroken("cut"))
    try:
        for _ in range(1 + source.below(3)):  # a burst
            reading.take(_chunk(source, kind))
        return reading.taken()
    except UpstreamBroken as error:
        return reading.fail(error)


def _chunk(source: Source, kind: int) -> Any:
    if kind == 0:
        return source.value(_TOP)
    if kind == 1:
        return {
            "choices": [],
            "usage": source.value(("prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens")),
        }
    if kind == 2:
        return {
            "choices": [{"delta": {}, "finish_reason": source.pick(_WHYS), "stop_reason": source.pick((None, "END"))}]
        }
    if kind == 3:
        return {"choices": [{"delta": {source.name(_FIELDS): source.value(_FIELDS)}}]}
    if kind == 4:
        return {"choices": [{"delta": {source.pick(_FIELDS[:3]): source.pick(_TALK) + source.text(8)}}]}
    fragment: dict[str, Any] = {"function": {"arguments": source.pick(_WRITTEN)}}
    if source.byte() % 2:
        fragment["index"] = source.pick((0, 1, 2, -1, None, "0"))
    if source.byte() % 2:
        fragment["id"] = source.pick(("a", "b", "", None, 7))
    if source.byte() % 2:
        fragment["function"]["name"] = source.pick(("Bash", "Read", "bash", "", None, "Nothing"))
    return {"choices": [{"delta": {"tool_calls": [fragment] * (1 + source.byte() % 2)}}]}


def _same_as_the_sdk(stream: bytes, ours: Mapping[str, Any]) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as transport:
        client = anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1", http_client=transport, max_retries=0)
        asked: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        with client.messages.stream(**asked) as received:
            theirs = json.loads(received.get_final_message().model_dump_json())
    for block, own in zip(theirs["content"], ours["content"], strict=True):
        assert {name: block.get(name) for name in own} == json.loads(encode(own))
    assert theirs["stop_reason"] == ours["stop_reason"]


def answer(given: bytes) -> None:
    """Any bytes of an upstream, from the decoder to the client: one legal stream, cut or not."""
    source = Source(given)
    pieces = source.cut(whole := b"".join(_frame(source) for _ in range(source.below(30))))
    assert _answered([whole]) == _answered(pieces)


def _frame(source: Source) -> bytes:
    if source.byte() % 16 == 0:
        return source.piece()
    said = (
        source.pick((b"[DONE]", b""))
        if source.byte() % 16 == 0
        else json.dumps(_chunk(source, source.below(7))).encode()
    )
    return b"data: " + said + source.pick((b"\n\n", b"\r\n\r\n", b"\r\r", b"\n"))


def _answered(pieces: Sequence[bytes]) -> list[Any]:
    """The same message, whatever ids are made; batches differ with the cuts, so deltas are folded."""
    reading, decoding = ChunkReader(call_ids(ASKED)), SseDecoder()
    told: list[ModelEvent] = []
    try:
        for piece in pieces:
            for event in decoding.feed(piece):
                told += reading.done() if event.data == b"[DONE]" else reading.feed(decode_lenient(event.data))
        for event in decoding.end():
            told += reading.feed(decode_lenient(event.data))
        told += reading.end()
    except AnyclaudeError as error:
        told += reading.fail(error)
    writer, grammar, folding = MessageWriter("msg_1", "m"), Grammar(), MessageFold()
    events = [writer.start(), *writer.feed(told)]
    for written in events:
        grammar.feed(written)
    grammar.end()
    folding.feed(events)
    message = folding.message()
    return [{**block, "id": None} for block in message["content"]] + [message["stop_reason"]]
