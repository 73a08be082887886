"""The eyes on a stream that is handed on: they never raise, and they know an end."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.errors import UpstreamBroken
from anyclaude.server.watch import StreamWatch, WholeWatch
from anyclaude.trace.record import NoRecording
from tests.support.anthropic_upstream import events, frame

RECORDER = NoRecording().begin("", "", {}, {})
ODD: list[dict[str, Any]] = [
    {"type": "new"},
    {"type": "message_delta"},
    {"type": "content_block_start", "index": "x", "content_block": None},
    {"type": "content_block_delta", "index": [], "delta": {"type": {}}},
    {"type": "content_block_delta", "delta": 1},
]


def fed(stream: bytes, size: int) -> StreamWatch:
    watch = StreamWatch(RECORDER)
    for at in range(0, len(stream), size):
        watch.feed(stream[at : at + size])
    return watch


@given(st.lists(st.sampled_from([*events(), *ODD]), max_size=12), st.integers(1, 50))
def test_an_end_is_seen_in_whatever_stream(said: list[dict[str, Any]], size: int) -> None:
    watch = fed(b"".join(map(frame, said)), size)
    if any(event["type"] == "message_stop" for event in said):
        assert watch.end() is None
    else:
        with pytest.raises(UpstreamBroken, match="before it was complete"):
            watch.end()


@given(st.binary(max_size=200), st.integers(1, 50))
def test_whatever_bytes_come_nothing_is_raised_before_the_end(stream: bytes, size: int) -> None:
    whole = WholeWatch(RECORDER, 200)
    whole.feed(stream)
    assert whole.end() is None
    with pytest.raises(UpstreamBroken):
        fed(stream, size).end()


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert fed(b"".join(map(frame, events()))[:-2], 7).end() is None


def test_an_error_is_an_end_and_is_told() -> None:
    said = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    assert fed(frame(said), 7).end() == "Claude said: busy"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b'{"type":"message_stop"}', b'{"type": "error", "error": {"message": "oh"}}'])
def test_a_stream_with_an_event_beyond_the_bound_is_only_looked_at_for_its_end(last: bytes, line_end: bytes) -> None:
    watch = StreamWatch(RECORDER)
    watch.feed(b"data: " + b"x" * 9_000_000)
    for piece in (b"more" + line_end, line_end, b"data: " + last[:7], last[7:], 2 * line_end):
        watch.feed(piece)
    assert watch.end() is None


@pytest.mark.parametrize("rest", [b"", b"more", b'more"}\n\n', b'\n\ndata: {"type": "ping", "x": "message_stop"}\n\n'])
def test_one_that_ends_without_its_last_event_is_cut_all_the_same(rest: bytes) -> None:
    watch = StreamWatch(RECORDER)
    watch.feed(b"data: " + b"x" * 9_000_000)
    watch.feed(rest)
    with pytest.raises(UpstreamBroken):
        watch.end()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"{}", None),
        (500, b'{"error": {"message": "oh"}}', "Claude said: oh"),
        (404, b"<html>", "Claude answered with status 404"),
        (400, b'{"error": "oh"}', "Claude answered with status 400"),
    ],
)
def test_what_an_answer_in_one_piece_says(status: int, body: bytes, told: str | None) -> None:
    watch = WholeWatch(RECORDER, status)
    watch.feed(body)
    assert watch.end() == told
