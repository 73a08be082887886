"""What is fuzzed: each target takes any bytes, and raises only where something is wrong with us.

Errors that are ours to raise are caught in the targets, and held to being one of those that the part promises.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anthropic
import httpx2
from anthropic._streaming import SSEDecoder as SdkDecoder

from anyclaude.backends.base import Caller
from anyclaude.backends.mending import call_ids, stages_of
from anyclaude.config import load
from anyclaude.config.files import Found
from anyclaude.config.files import items as file_items
from anyclaude.config.load import VARIABLES, environment_items, merge
from anyclaude.convert.answer_reader import AnswerReader
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request
from anyclaude.convert.text_calls import Call, TextCalls
from anyclaude.convert.text_calls.said import joined as joined_pieces
from anyclaude.convert.validate import validate_request
from anyclaude.errors import AnyclaudeError, InvalidRequest, SetupError, UpstreamBroken
from anyclaude.wire.anthropic import encode_event
from anyclaude.wire.events import Failed, Finished, ModelEvent
from anyclaude.wire.grammar import Grammar
from anyclaude.wire.json import decode_lenient, encode
from anyclaude.wire.sse import ServerEvent, SseDecoder
from tests.support.fuzz_source import Source

_BOUND: Final = 200
_ASKED: Final[Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [
        {
            "name": "Bash",
            "input_schema": {
                "type": "object",
                "properties": {"command": {"type": "string"}, "timeout": {"type": "integer"}},
                "required": ["command"],
            },
        },
        {"name": "Read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}},
    ],
}
_TOOLS: Final = {tool["name"]: tool["input_schema"] for tool in _ASKED["tools"]}


def decoder(given: bytes) -> None:
    """Any cut gives the same events, or stops at the same one; of legal input the SDK's decoder makes the same."""
    source = Source(given)
    bound = _BOUND if source.byte() % 2 else 1 << 20
    pieces = source.cut(whole := source.rest())
    ours = _decoded([whole], bound)
    assert _decoded(pieces, bound) == ours
    assert _decoded([whole[at : at + 1] for at in range(len(whole))], bound) == ours
    if bound > _BOUND and _is_plain(whole):
        theirs = SdkDecoder().iter_bytes(iter([whole]))
        assert ours == [(event.event or None, event.data.encode()) for event in theirs], whole


def _decoded(pieces: Sequence[bytes], bound: int) -> list[ServerEvent | None]:
    reading, events = SseDecoder(bound), list[ServerEvent | None]()
    try:
        for piece in pieces:
            events += reading.feed(piece)
        events += reading.end()
    except UpstreamBroken:
        events.append(None)
    return events


def _is_plain(whole: bytes) -> bool:
    """What all decoders agree on: ASCII lines that end in LF, of data and names alone, each event with its data."""
    if not whole.isascii() or b"\r" in whole or b"\0" in whole or not whole.endswith(b"\n\n"):
        return False
    blocks = whole.split(b"\n\n")[:-1]
    return all(_is_plain_event(block) for block in blocks)


def _is_plain_event(block: bytes) -> bool:
    lines = block.split(b"\n")
    plain = all(line.startswith((b"data: ", b"event: ", b": ")) and line.isascii() for line in lines)
    odd = any(0x0A < byte < 0x20 for byte in block)  # text decoders split at some of them
    return plain and not odd and any(len(line) > 6 for line in lines if line.startswith(b"data: "))


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
    ids = call_ids(_ASKED)
    reading = AnswerReader(
        ChunkReader(ids, ("END",), "m" if source.byte() % 4 == 0 else None), stages_of(_ASKED, Caller(), profile, ids)
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
        return reading.feed(_chunk(source, kind))
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


_MARKS: Final = (
    *(
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "<|channel|>",
        "<|message|>",
        "<|call|>",
        "[TOOL_CALLS]",
        "[ARGS]",
    ),
    *(
        "<function=Bash>",
        "</function>",
        "<parameter=command>",
        "</parameter>",
        "<|tool_calls_section_begin|>",
        "```",
        "~~~",
        "\n",
        "    ",
    ),
    *(
        '{"name": "Bash", "arguments": {"command": "',
        '"}}',
        "[Bash(command='",
        "')]",
        "<\uff5ctool\u2581calls\u2581begin\uff5c>",
        "<invoke name=",
        ">",
        '"',
    ),
    *(
        "<|python_tag|>",
        "functions.Bash:0",
        "<minimax:tool_call>",
        "<arg_key>",
        "</arg_value>",
        "prose. ",
        "\ud83d",
        "\ude00",
        "\u2028",
    ),
)


def scanner(given: bytes) -> None:
    """Any cut gives the same pieces, and nothing of a text is lost or made up."""
    source = Source(given)
    opened, small = source.byte() % 4 == 0, source.byte() % 8 == 0
    parts = list[str]()
    while source.left > 0 and len(parts) < 60:
        parts.append(source.pick(_MARKS) if source.byte() % 4 else source.text(20))
    whole = "".join(parts)
    largest = 40 if small else 1 << 20
    found = _scanned([whole], opened, largest)
    if not small:  # beyond the bound it counts where it is noticed
        assert _scanned(parts, opened, largest) == found
        assert _scanned(list(whole), opened, largest) == found
    said = "".join(piece.raw if isinstance(piece, Call) else piece.text for piece in found)
    assert len(said) <= len(whole) + whole.count("\ud83d") + whole.count("\ude00")


def _scanned(parts: Sequence[str], opened: bool, largest: int) -> list[Any]:
    scanning = TextCalls(_TOOLS, opened=opened, largest=largest)
    found = [piece for part in parts for piece in scanning.feed(part)]
    return joined_pieces(found + scanning.end())


_BLOCKS: Final = (
    *(
        "type",
        "text",
        "tool_use",
        "tool_result",
        "image",
        "thinking",
        "redacted_thinking",
        "document",
        "content",
        "id",
        "name",
    ),
    *(
        "input",
        "tool_use_id",
        "is_error",
        "source",
        "base64",
        "media_type",
        "data",
        "signature",
        "cache_control",
        "url",
        "title",
    ),
    *(
        "server_tool_use",
        "web_search_tool_result",
        "search_result",
        "tool_reference",
        "Bash",
        "a",
        "image/png",
        "citations",
    ),
)
_REQUEST: Final = (
    *(
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
    ),
    *(
        "thinking",
        "metadata",
        "stream",
        "output_config",
        "output_format",
        "service_tier",
        "context_management",
        "betas",
    ),
)
_PROFILES: Final = (
    Profile(),
    Profile(tools=False, images=False),
    Profile(images=True, documents=True, named_tool_choice=True, none_tool_choice=True, reasoning_details=True),
    Profile(plain_schemas=True, short_call_ids=True, thinking_field="reasoning_content", deferred_tools=True),
)


def request(given: bytes) -> None:
    """What is valid is converted, to JSON that is whole; what is not is refused in one sentence."""
    source = Source(given)
    asked: Any = {"model": "m", "max_tokens": 9, "messages": [_turn(source) for _ in range(source.below(6))]}
    while source.left > 0:
        asked[source.name(_REQUEST)] = source.value(
            (*_BLOCKS, *_REQUEST, "object", "properties", "required", "input_schema")
        )
    try:
        validate_request(asked)
        body = convert_request(asked, source.pick(_PROFILES), "m")
    except InvalidRequest:
        return
    decoded = json.loads(encode(body))
    made = {call["id"] for turn in decoded["messages"] for call in turn.get("tool_calls") or ()}
    answered = [turn["tool_call_id"] for turn in decoded["messages"] if turn["role"] == "tool"]
    assert set(answered) <= made, "a result of a call that is not there"


def _turn(source: Source) -> dict[str, Any]:
    role = (
        source.pick(("user", "assistant", "system", "tool"))
        if source.byte() % 16 == 0
        else source.pick(("user", "assistant"))
    )
    if source.byte() % 2:
        return {"role": role, "content": source.text()}
    return {"role": role, "content": [_block(source) for _ in range(source.below(4))]}


def _block(source: Source) -> Any:
    match source.below(6):
        case 0:
            return {"type": "text", "text": source.text()}
        case 1:
            return {"type": "tool_use", "id": source.pick("abc"), "name": "Bash", "input": source.value(_BLOCKS)}
        case 2:
            return {"type": "tool_result", "tool_use_id": source.pick("abc"), "content": source.value(_BLOCKS)}
        case 3:
            return {"type": "thinking", "thinking": source.text(), "signature": source.text()}
        case 4:
            return {source.name(_BLOCKS): source.value(_BLOCKS), "type": source.pick(_BLOCKS)}
    return source.value(_BLOCKS)


_KEYS: Final = (
    *(
        "backend",
        "mode",
        "backends",
        "lmstudio",
        "openrouter",
        "mlx-cluster",
        "claude",
        "baseUrl",
        "apiKey",
        "model",
        "models",
    ),
    *(
        "deadlines",
        "connect",
        "firstEvent",
        "port",
        "debug",
        "traces",
        "maxMegabytes",
        "profiles",
        "tools",
        "images",
        "discovery",
    ),
    *(
        "nodes",
        "id",
        "url",
        "token",
        "routing",
        "strategy",
        "health",
        "webSearch",
        "searxng",
        "fallback",
        "enabled",
        "reasoning",
    ),
    *(
        "http://127.0.0.1:1",
        "lmstudio",
        "cache-aware",
        "off",
        "true",
        "-1",
        "$schema",
        "contextWindow",
        "efforts",
        "provider",
    ),
)


def config(given: bytes) -> None:
    """Any file and any environment: settings, or one sentence."""
    source = Source(given)
    environ = {source.pick(sorted(VARIABLES)): source.text() or source.pick(_KEYS) for _ in range(source.below(4))}
    content = source.rest() if source.byte() % 4 == 0 else json.dumps(source.value(_KEYS)).encode()
    try:
        items = file_items(Found(Path("f"), "a file", content, os.getuid(), False))
        merge([load._checked(items), environment_items(environ)])
    except SetupError:
        return


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
    reading, decoding = ChunkReader(call_ids(_ASKED)), SseDecoder()
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


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "decoder": decoder,
    "chunks": chunks,
    "scanner": scanner,
    "request": request,
    "config": config,
    "answer": answer,
}
SEEDS: Final[Sequence[bytes]] = (
    b"",
    bytes(range(256)),
    b'\x01\x03data: {"a": 1}\n\nevent: x\ndata: y\r\n\r\n: z\n\n',
    b"\x00\x00\x00data: a\n\ndata: b\n\n",
    b'\x01\x01{"backend": "lmstudio", "backends": {"lmstudio": {"baseUrl": "http://a:1"}}}',
    b"\x05\x01\x02\x03\x04\x05\x06\x07\x00\x01" * 12,
    b"\x04\x00\x01Hi\x05\x01\x00\x01\x00\x01\x00\x02\x00\x01" * 8,
)
