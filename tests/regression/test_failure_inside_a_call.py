"""An upstream that broke between the pieces of two calls had the first, incomplete, closed as if it were whole.

Claude Code asks again by itself only where no block was finished before the break.
"""

from anyclaude.wire.events import Failed
from tests.support.streams import call, read, text, write


def test_an_incomplete_call_stays_open() -> None:
    events = read(call(0, "a", "f", '{"x":1'), call(1, "b", "g", '{"y"'), text("so"))
    assert isinstance(events[-1], Failed)
    kinds = [event["type"] for event in write(events)]
    assert kinds == ["message_start", "content_block_start", "content_block_delta", "error"]
