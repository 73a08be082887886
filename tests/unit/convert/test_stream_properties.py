"""What holds for every stream: the grammar, one message whatever the cut, and the same message in the official SDK."""

import json
from typing import Any

import anthropic
import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st

from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.wire.anthropic import encode_event
from anyclaude.wire.events import Failed, Finished, ModelEvent
from anyclaude.wire.json import decode_lenient
from anyclaude.wire.sse import SseDecoder
from tests.support.streams import Chunk, call, delta, fold, ids, read, usage, write

WORDS = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
NAMES = st.sampled_from(["Bash", "Read", ""]) | st.none()
IDS = st.sampled_from(["a", "b", "call_0", ""]) | st.none()
ARGS = st.sampled_from(["", "{", "}", "{}", '{"a":', "1}", '"x', '"', "null", '{"a":{"b":[1]}}', " "]) | st.none()
ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | WORDS, lambda x: st.lists(x, max_size=3))

TALK = st.builds(lambda field, said: delta(**{field: said}), st.sampled_from(["content", "reasoning_content"]), WORDS)
CALLS = st.builds(call, st.integers(0, 2) | st.none(), IDS, NAMES, ARGS)
ENDS = st.builds(lambda why: delta(finish=why), st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
COUNTS = st.builds(usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
ODD = st.builds(lambda value: {"choices": [{"delta": value}]}, ANYTHING) | st.builds(lambda v: {"choices": v}, ANYTHING)
STREAMS = st.lists(TALK | CALLS | COUNTS | ENDS | ODD, max_size=25)

OBJECTS = st.dictionaries(WORDS, st.integers() | WORDS | st.lists(st.booleans()), max_size=3)


@given(STREAMS)
def test_any_chunks_make_a_stream_that_the_grammar_accepts_and_success_is_observed(chunks: list[Chunk]) -> None:
    events = read(*chunks)
    write(events)
    assert sum(isinstance(event, Finished | Failed) for event in events) == 1
    finished = any(c["choices"][0].get("finish_reason") for c in chunks if _has_choice(c))
    assert isinstance(events[-1], Finished) == finished


@given(STREAMS)
def test_ids_are_unique(chunks: list[Chunk]) -> None:
    used = [event["content_block"]["id"] for event in write(read(*chunks, taken=["a"])) if _opens_call(event)]
    assert len({*used, "a"}) == len(used) + 1


@given(STREAMS, st.data())
def test_any_cut_of_the_bytes_gives_the_same_events(chunks: list[Chunk], data: st.DataObject) -> None:
    line_end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    frames = [f"data: {json.dumps(chunk)}{line_end}{line_end}" for chunk in chunks]
    whole = "".join([*frames, f"data: [DONE]{line_end}{line_end}"]).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    assert _key(_from_bytes(pieces)) == _key(_from_bytes([whole])) == _key(read(*chunks))


@given(st.lists(st.tuples(st.sampled_from("tcr"), WORDS, OBJECTS), min_size=1, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_the_official_sdk_accumulates_the_same_message(turns: list[tuple[str, str, Any]], data: st.DataObject) -> None:
    chunks: list[Chunk] = []
    for index, (kind, word, value) in enumerate(turns):
        if kind == "c":
            args = json.dumps(value)
            cut = data.draw(st.integers(0, len(args)))
            chunks += [call(index, f"id-{index}", word or "f", args[:cut]), call(index, args=args[cut:])]
        else:
            chunks.append(delta(**{"content" if kind == "t" else "reasoning": word}))
    events = read(*chunks, usage(10, 5, 3), delta(finish="stop"))
    ours = fold(events)
    theirs = _through_the_sdk(b"".join(encode_event(event) for event in write(events)))
    assert [_plain(block) for block in theirs.content] == ours["content"]
    assert (theirs.stop_reason, theirs.usage.input_tokens) == (ours["stop_reason"], ours["usage"]["input_tokens"])
    assert theirs.usage.cache_read_input_tokens == ours["usage"]["cache_read_input_tokens"]


def test_stream_and_whole_are_one_fold() -> None:
    """The writer's events folded one by one, and all at once."""
    events = read(delta(content="Hi"), call(0, "a", "f", "{}"), delta(finish="stop"))
    folding = MessageFold()
    writer = MessageWriter("msg_1", "model")
    folding.feed([writer.start()])
    for event in events:
        folding.feed(writer.feed([event]))
    assert folding.message() == fold(events)


def _through_the_sdk(stream: bytes) -> anthropic.types.Message:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as transport:
        client = anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1", http_client=transport)
        asked: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        with client.messages.stream(**asked) as received:
            return received.get_final_message()


def _plain(block: Any) -> dict[str, Any]:
    shape: dict[str, Any] = block.model_dump(exclude_none=True)
    return {key: shape[key] for key in ("type", "text", "thinking", "signature", "id", "name", "input") if key in shape}


def _from_bytes(pieces: list[bytes]) -> list[ModelEvent]:
    decoder, reader = SseDecoder(), ChunkReader(ids())
    events: list[ModelEvent] = []
    for piece in pieces:
        for server_event in decoder.feed(piece):
            if server_event.data != b"[DONE]":
                events += reader.feed(decode_lenient(server_event.data))
    return events + reader.end()


def _key(events: list[ModelEvent]) -> list[object]:
    """Errors compare by what they say."""
    return [str(event.error) if isinstance(event, Failed) else event for event in events]


def _has_choice(chunk: Chunk) -> bool:
    choices = chunk.get("choices")
    return isinstance(choices, list) and bool(choices) and isinstance(choices[0], dict)


def _opens_call(event: Any) -> bool:
    return event["type"] == "content_block_start" and bool(event["content_block"]["type"] == "tool_use")
