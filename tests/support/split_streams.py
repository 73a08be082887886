"""Streams for the test that no cut of the bytes makes a difference: those of the fixtures, and constructed ones.

What a client would be told is compared: the folded message and its end. The batches differ with the cuts, and so do
the borders of deltas; ids that are made anew are the same ones each time.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from anyclaude.backends.base import Caller
from anyclaude.backends.mending import stages_of
from anyclaude.convert.answer_reader import AnswerReader
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.message import MessageFold, MessageWriter
from anyclaude.convert.profile import Profile
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.errors import AnyclaudeError, UpstreamBroken
from anyclaude.wire.events import ModelEvent
from anyclaude.wire.json import decode_lenient
from anyclaude.wire.sse import ServerEvent, SseDecoder
from tests.support.call_corpus import examples, tools
from tests.support.raw_upstream import sse
from tests.support.streams import Chunk, call, delta, finish, text, usage

_ASKED: Final[Any] = {
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"name": name, "input_schema": schema} for name, schema in tools().items()],
}
_DONE: Final = sse("[DONE]")
_PIECE: Final = 24  # characters


@dataclass(frozen=True)
class Stream:
    name: str
    body: bytes
    opened: bool = False


def told(pieces: Sequence[bytes], opened: bool = False) -> Any:
    """What a client is told of a stream that comes in these pieces: the message, and how it ended."""
    numbers = count(1)
    ids = ToolIds((), lambda: f"new-{next(numbers)}")
    profile = Profile(thinking_opened=opened)
    reading = AnswerReader(ChunkReader(ids), stages_of(_ASKED, Caller(), profile, ids))
    writer, fold = MessageWriter("msg_1", "m"), MessageFold()
    events = [writer.start()]
    for batch in _batches(pieces, reading):
        events += writer.feed(batch)
    fold.feed(events)
    return fold.message(), events[-1]


def _batches(pieces: Sequence[bytes], reading: AnswerReader) -> Iterator[Sequence[ModelEvent]]:
    """As `backends.reading` makes them: one for each read."""
    decoding = SseDecoder()
    for piece in pieces:
        if reading.over:
            return
        try:
            yield reading.staged(_read(decoding.feed(piece), reading))
        except AnyclaudeError as error:
            yield reading.staged(reading.fail(error))
    if not reading.over:
        yield reading.staged([*_read(decoding.end(), reading), *reading.end()])


def _read(server_events: Sequence[ServerEvent], reading: AnswerReader) -> list[ModelEvent]:
    events: list[ModelEvent] = []
    for server_event in server_events:
        chunk = decode_lenient(server_event.data)
        if server_event.data == b"[DONE]":
            events += reading.done()
        elif chunk is None:
            events += reading.fail(UpstreamBroken("not JSON"))
        else:
            reading.take(chunk)
    return [*events, *reading.taken()]


def streams() -> list[Stream]:
    return [*of_corpus(), *constructed()]


def of_corpus() -> Iterator[Stream]:
    """Each answer of the corpus of calls in text, as chunks of some characters."""
    for example in examples():
        pieces = [example.text[at : at + _PIECE] for at in range(0, len(example.text), _PIECE)]
        yield Stream(f"corpus: {example}", _body(*map(text, pieces), finish()), example.opened)


def _body(*said: Chunk) -> bytes:
    return b"".join(map(sse, [*said, usage(12, 3)])) + _DONE


def constructed() -> Iterator[Stream]:
    """What the corpus has not: line ends, characters, calls, failures."""
    plain = _body(text("é\U0001f600"), text("\u2028\u0085 漢"), finish())
    yield Stream("every kind of character, escaped", plain)
    yield Stream("every kind of character, as it is", _unescaped(plain))
    for name, end in (("CR", b"\r"), ("CRLF", b"\r\n")):
        yield Stream(f"{name}", _unescaped(plain).replace(b"\n", end))
    yield Stream("a byte order mark, comments, fields", b"\xef\xbb\xbf: hi\n\nid: 1\nevent: x\nretry: 5\n" + plain)
    yield Stream("data in several lines", plain.replace(b', "', b',\ndata: "'))
    yield Stream("a pair over two deltas", _body(text("a\ud83d"), text("\ude00b"), finish()))
    thinking = [
        delta(reasoning_content="Hm. "),
        delta(reasoning="é"),
        text("\n\n"),
        text("So."),
        delta(reasoning="No."),
    ]
    yield Stream("thinking and text", _body(*thinking, finish()))
    args = json.dumps({"command": "ls 'é' \U0001f600"}, ensure_ascii=False)
    pieces = [call(0, "a", "Bash"), *(call(0, args=args[at : at + 3]) for at in range(0, len(args), 3))]
    yield Stream("a call in pieces", _body(text("Look:"), *pieces, finish("tool_calls")))
    turns = [call(0, "a", "Bash", args[:7]), call(1, "b", "Read", '{"file_'), call(0, args=args[7:])]
    yield Stream("calls that take turns", _body(*turns, call(1, args='path": "/x"}'), text("behind"), finish()))
    yield Stream("no finish", b"".join(map(sse, [text("Hel"), text("lo")])))
    yield Stream("an error in the middle", sse(text("Hel")) + sse({"error": {"message": "out of memory"}}))
    yield Stream("no JSON in the middle", sse(text("Hel")) + b"data: {oops\n\n" + _body(text("lo"), finish()))
    yield Stream("invalid UTF-8", sse(text("Hel")) + b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n' + _DONE)
    yield Stream("the last event without its blank line", plain.removesuffix(_DONE) + b"data: [DONE]")
    yield Stream("chunks behind the end", plain + sse(text("more")) + _DONE)


def _unescaped(body: bytes) -> bytes:
    """Characters as UTF-8 where they were escapes."""
    lines = [line for line in body.split(b"\n") if line]
    decoded = [json.loads(line[6:]) if line != b"data: [DONE]" else None for line in lines]
    return b"".join(
        _DONE if one is None else f"data: {json.dumps(one, ensure_ascii=False)}\n\n".encode() for one in decoded
    )
