from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.errors import InternalError
from anyclaude.wire.anthropic import PING, encode_event
from anyclaude.wire.sse import SseDecoder


def test_a_frame_is_a_name_line_a_data_line_and_a_blank_line() -> None:
    event = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hé\nllo"}}
    assert (
        encode_event(event)
        == (
            "event: content_block_delta\n"
            'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hé\\nllo"}}\n\n'
        ).encode()
    )


@pytest.mark.parametrize(
    "name",
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
        "not_known_yet",
    ],
)
def test_every_type_has_its_name_line(name: str) -> None:
    assert encode_event({"type": name}) == f'event: {name}\ndata: {{"type":"{name}"}}\n\n'.encode()


def test_ping_is_the_frame_of_a_ping() -> None:
    assert encode_event({"type": "ping"}) == PING


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\n\ndata: {}", "a\x00", "a\u2028b"])
def test_a_type_that_would_break_the_frame_is_refused(name: str) -> None:
    with pytest.raises(InternalError, match="cannot be written"):
        encode_event({"type": name})


def test_half_a_character_does_not_break_the_stream() -> None:
    frame = encode_event({"type": "content_block_delta", "delta": {"text": "a\ud83d"}})
    assert frame.endswith('{"text":"a�"}}\n\n'.encode())


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))
    .filter(str.isprintable)
    .filter(lambda name: name[:1] != " "),
    st.dictionaries(st.text(), st.text()),
)
def test_a_frame_is_read_back_as_one_event(name: str, rest: dict[str, Any]) -> None:
    event = {**rest, "type": name}
    (read,) = SseDecoder().feed(encode_event(event))
    assert (read.event or "", orjson.loads(read.data)) == (name, event)
