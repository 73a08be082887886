"""A character that an upstream cut over two fragments of arguments became two replacement characters, in a file too."""

from anyclaude.convert.chunks import ChunkReader
from anyclaude.wire.events import ToolArgsDelta
from tests.support.streams import call, content, finish, ids

FIRST, SECOND = '{"a":"x\ud83d', '\ude00y"}'


def test_its_halves_are_joined() -> None:
    assert content(call(0, "a", "f", FIRST), call(0, args=SECOND), finish())[0]["input"] == {"a": "x\U0001f600y"}


def test_no_half_goes_out_alone() -> None:
    reader = ChunkReader(ids())
    batches = [reader.feed(call(0, "a", "f", FIRST)), reader.feed(call(0, args=SECOND))]
    pieces = [event.json for batch in batches for event in batch if isinstance(event, ToolArgsDelta)]
    assert pieces == ['{"a":"x', '\U0001f600y"}']


def test_calls_that_take_turns_keep_their_own_halves() -> None:
    chunks = [call(0, "a", "f", FIRST), call(1, "b", "f", FIRST), call(0, args=SECOND), call(1, args=SECOND)]
    assert [block["input"] for block in content(*chunks, finish())] == [{"a": "x\U0001f600y"}] * 2
