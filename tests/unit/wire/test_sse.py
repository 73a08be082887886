"""The decoder against a table, against a slow reading of the standard, and against other decoders."""

import re
import tracemalloc
from collections.abc import Iterable
from itertools import pairwise

import httpx2._sse
import pytest
from anthropic._streaming import SSEDecoder as SdkDecoder
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.errors import UpstreamBroken
from anyclaude.wire.sse import MAX_EVENT_BYTES, ServerEvent, SseDecoder

BOM = b"\xef\xbb\xbf"
CHUNK = b'data: {"choices":[{"delta":{"content":"hello"}}]}\n\n'


def decode(pieces: Iterable[bytes], max_event_bytes: int = MAX_EVENT_BYTES) -> list[ServerEvent | None]:
    """All events of a stream that comes in these pieces; None at the end where the decoder gave up."""
    decoder = SseDecoder(max_event_bytes)
    events: list[ServerEvent | None] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.end()
    except UpstreamBroken:
        events.append(None)
    return events


def read_slowly(stream: bytes) -> list[ServerEvent]:
    """The standard by the letter, on a whole stream, with the two differences that `wire.sse` names."""
    events: list[ServerEvent] = []
    name, lines = b"", list[bytes]()
    for line in [*re.split(rb"\r\n|\r|\n", stream.removeprefix(BOM)), b""]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if line == b"":
            if lines:
                events.append(ServerEvent(name.decode(errors="replace") or None, b"\n".join(lines)))
            name, lines = b"", []
        elif field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value
    return events


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:stop] for start, stop in pairwise(borders)]


line_ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
payloads = st.sampled_from(
    [b"", b" ", b"  two", b'{"a":1}', "é😀\u2028\u0085".encode(), b":", b"\x0b\x0c\x1c", b"[DONE]"]
)
fields = st.sampled_from(
    [b"data", b"data:", b"data: ", b"event: ", b"event:", b"event", b": ", b":", b"id: ", b"retry: ", b"x: "]
)
lines = st.builds(lambda field, payload, end: field + payload + end, fields, payloads, line_ends)
any_pieces = (
    lines | line_ends | st.sampled_from([CHUNK, BOM, b"\xef", b"\xff\xfe", b"data", b": "]) | st.binary(max_size=6)
)
streams = st.lists(any_pieces, max_size=25).map(b"".join)
cuts = st.lists(st.integers(0, 10_000), max_size=12)

# What every decoder agrees on: UTF-8, each event with data and a blank line, no BOM, no id and no retry.
legal_payloads = st.text(st.characters(codec="utf-8", exclude_characters="\r\n")).map(str.encode)
legal_lines = st.builds(
    lambda field, payload: field + payload, st.sampled_from([b"data: ", b"data:", b"event: ", b": "]), legal_payloads
)
legal_events = st.builds(
    lambda before, after: [*before, b"data: x", *after],
    st.lists(legal_lines, max_size=3),
    st.lists(legal_lines, max_size=3),
)


@st.composite
def legal_streams(draw: st.DrawFn) -> bytes:
    end = draw(line_ends)  # the SDK's decoder wants the same line ends throughout
    return b"".join(end.join([*event, b"", b""]) for event in draw(st.lists(legal_events, max_size=6)))


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: a\n\n", [(None, b"a")]),
        (b"data: a\n\ndata: b\n\n", [(None, b"a"), (None, b"b")]),
        (b"data: a\r\rdata: b\r\r", [(None, b"a"), (None, b"b")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [(None, b"a"), (None, b"b")]),
        (b"data: a\r\n\ndata: b\n\rdata: c\r\r\n", [(None, b"a"), (None, b"b"), (None, b"c")]),
        (b"data:a\n\n", [(None, b"a")]),
        (b"data:  a \n\n", [(None, b" a ")]),
        (b"data: a\ndata: b\ndata\ndata:\n\n", [(None, b"a\nb\n\n")]),
        (b"data\n\n", [(None, b"")]),
        (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
        (b"data: {}\nevent:ping\n\n", [("ping", b"{}")]),
        (b"event: a\nevent: b\ndata: {}\n\ndata: {}\n\n", [("b", b"{}"), (None, b"{}")]),
        (b"event:\ndata: {}\n\n", [(None, b"{}")]),
        (b"event: lost\n\ndata: a\n\n", [(None, b"a")]),
        (b"event: \xff\ndata: a\n\n", [("\N{REPLACEMENT CHARACTER}", b"a")]),
        (b": processing\n\n: processing\n\ndata: a\n\n", [(None, b"a")]),
        (b":\ndata: a\n:\n\n", [(None, b"a")]),
        (b"id: 1\nretry: 10\nwhat: ever\ndata: a\n\n", [(None, b"a")]),
        (b"database: a\n data: b\nDATA: c\n\n", []),
        (BOM + b"data: a\n\n", [(None, b"a")]),
        (BOM + BOM + b"data: a\n\n", []),
        (b"data: a\n\n" + BOM + b"data: b\n\n", [(None, b"a")]),
        (b"data: " + BOM + b"\n\n", [(None, BOM)]),
        (b"data: a\n\ndata: b\n", [(None, b"a"), (None, b"b")]),
        (b"data: a\n\ndata: b", [(None, b"a"), (None, b"b")]),
        (b"data: a\r", [(None, b"a")]),
        (b"event: x\ndata: b", [("x", b"b")]),
        (b"event: x", []),
        (b"data: \xff\xfe\n\n", [(None, b"\xff\xfe")]),
        ("data: a\u2028b\u0085c\x0bd\x0ce\n\n".encode(), [(None, "a\u2028b\u0085c\x0bd\x0ce".encode())]),
        (b'data: {"a":\n\ndata: 1}\n\n', [(None, b'{"a":'), (None, b"1}")]),
    ],
)
class TestTable:
    def test_whole(self, stream: bytes, events: list[tuple[str | None, bytes]]) -> None:
        assert decode([stream]) == events

    def test_byte_by_byte(self, stream: bytes, events: list[tuple[str | None, bytes]]) -> None:
        assert decode(cut(stream, range(len(stream)))) == events

    def test_cut_once_anywhere(self, stream: bytes, events: list[tuple[str | None, bytes]]) -> None:
        for place in range(len(stream)):
            assert decode(cut(stream, [place])) == events

    def test_by_the_letter_of_the_standard(self, stream: bytes, events: list[tuple[str | None, bytes]]) -> None:
        assert read_slowly(stream) == events


class TestFeed:
    def test_an_event_is_told_as_soon_as_it_is_whole(self) -> None:
        decoder = SseDecoder()
        assert decoder.feed(b"data: a\n") == []
        assert decoder.feed(b"\n") == [(None, b"a")]
        assert decoder.feed(b"data: b\r\n\r") == [(None, b"b")]
        assert decoder.feed(b"\ndata: c\n\ndata") == [(None, b"c")]
        assert decoder.feed(b"") == []
        assert decoder.feed(b": d\r\r") == [(None, b"d")]
        assert decoder.end() == []

    def test_comments_bring_no_event(self) -> None:
        decoder = SseDecoder()
        assert decoder.feed(b": OPENROUTER PROCESSING\n\n") == []
        assert decoder.feed(CHUNK)[0].event is None

    @given(streams, cuts)
    def test_any_cut_of_any_stream_gives_what_the_standard_says(self, stream: bytes, places: list[int]) -> None:
        assert decode(cut(stream, places)) == read_slowly(stream)


class TestBound:
    @pytest.mark.parametrize("end", [b"\n\n", b"\n", b"", b"\r\n\r\n", b"\r"])
    @pytest.mark.parametrize("step", [1, 7, 1000])
    def test_an_event_may_be_as_large_as_the_bound_and_no_larger(self, end: bytes, step: int) -> None:
        largest = b"data: " + b"x" * 94 + end
        larger = b"data: " + b"x" * 95 + end
        for stream, last in ((largest, ServerEvent(None, b"x" * 94)), (larger, None)):
            pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
            assert decode(pieces, max_event_bytes=100) == [last]

    def test_the_error_names_the_bound(self) -> None:
        with pytest.raises(UpstreamBroken, match=r"^The upstream sent an event of more than 100 bytes\.$"):
            SseDecoder(100).feed(b"x" * 102)

    def test_events_before_the_large_one_are_told_first(self) -> None:
        decoder = SseDecoder(100)
        assert decoder.feed(b"data: a\n\ndata: " + b"x" * 200) == [(None, b"a")]
        for more in (b"\n\n", CHUNK, b""):
            with pytest.raises(UpstreamBroken):
                decoder.feed(more)
        with pytest.raises(UpstreamBroken):
            decoder.end()

    def test_many_lines_count_together(self) -> None:
        assert decode([b"data: x\n"] * 20, max_event_bytes=100) == [None]

    @given(streams, cuts, st.integers(0, 40))
    def test_any_cut_meets_the_bound_at_the_same_event(self, stream: bytes, places: list[int], bound: int) -> None:
        assert decode(cut(stream, places), bound) == decode([stream], bound)

    @pytest.mark.parametrize("piece", [b"x", b"x" * 16, b"data: x\n", b"data: x\r\n", b":\n"])
    def test_memory_stays_near_the_bound(self, piece: bytes) -> None:
        bound = 100_000
        decoder = SseDecoder(bound)
        fed = peak = 0
        tracemalloc.start()
        try:
            while fed < 10 * bound:
                fed += len(piece)
                decoder.feed(piece)
        except UpstreamBroken:
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert bound < fed <= 2 * bound
        assert 0 < peak < 3 * bound

    def test_a_huge_line_in_small_pieces_is_scanned_once(self) -> None:
        """Eight megabytes in 262,144 pieces: a second if each byte is looked at once, many minutes if not."""
        decoder = SseDecoder()
        piece = b"x" * 32
        count = (MAX_EVENT_BYTES - 6) // len(piece)
        decoder.feed(b"data: ")
        for _ in range(count):
            decoder.feed(piece)
        (event,) = decoder.end()
        assert len(event.data) == count * len(piece)


class TestOtherDecoders:
    @given(legal_streams(), cuts)
    def test_httpx2(self, stream: bytes, places: list[int]) -> None:
        """It names an event without a name by the standard's default."""
        parser = httpx2._sse._SSEParser()
        theirs = [*parser.decode(stream.decode()), *parser.flush()]
        ours = [event for event in decode(cut(stream, places)) if event is not None]
        assert [(event.event or "message", event.data.decode()) for event in ours] == [
            (event.event, event.data) for event in theirs
        ]

    @given(legal_streams(), cuts)
    def test_anthropic_sdk(self, stream: bytes, places: list[int]) -> None:
        theirs = SdkDecoder().iter_bytes(iter([stream]))
        assert decode(cut(stream, places)) == [(event.event or None, event.data.encode()) for event in theirs]
