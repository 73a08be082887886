"""A recorded request asked again: what is sent, and what two answers are compared by."""

from typing import Any

import pytest

from anyclaude.errors import SetupError
from anyclaude.trace.replay import Timed, compare, headers_of, redacted_places, request_of

TEXT = {"type": "text", "text": "four"}
CALL = {"type": "tool_use", "name": "Read", "input": {}}


@pytest.mark.parametrize("record", [{}, {"request": 1}, {"request": {"body": "x"}}, {"request": {"body": {}}}])
def test_what_is_no_request_is_not_sent(record: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match="no request"):
        request_of(record)


def test_only_the_headers_that_say_what_the_body_means() -> None:
    headers = {"Anthropic-Beta": "a,b", "anthropic-version": "1", "Authorization": "x", "anthropic-other": "[redacted]"}
    assert headers_of({"request": {"headers": headers}}) == [("Anthropic-Beta", "a,b"), ("anthropic-version", "1")]
    assert headers_of({}) == []


def test_redacted_places_have_names() -> None:
    body = {
        "system": "x [redacted]",
        "messages": [{"content": "plain"}, {"content": [{"text": "[redacted]"}]}],
        "metadata": {"user_id": "[redacted]"},
    }
    assert list(redacted_places(body)) == ["system", "messages[1].content[0].text", "metadata.user_id"]


def test_answers_are_compared() -> None:
    record = {
        "response": {"body": {"content": [TEXT], "stop_reason": "end_turn"}},
        "usage": {"input_tokens": 5, "output_tokens": 1},
        "timings_ms": {"first_event": 10.0, "end": 20.4},
    }
    rows = {
        row.name: (row.recorded, row.now, row.differs)
        for row in compare(
            record, {"content": [TEXT, CALL, CALL], "stop_reason": "tool_use"}, {"input_tokens": 6}, Timed(1.0, None)
        )
    }
    assert rows["stop reason"] == ("end_turn", "tool_use", True)
    assert rows["tools called"] == ("none", "Read, Read", True)
    assert rows["characters of text"] == ("4", "4", False)
    assert rows["input tokens"] == ("5", "6", None)
    assert rows["output tokens"] == ("1", "", None)
    assert rows["to the first token"] == ("10 ms", "1 ms", None)
    assert rows["to the end"] == ("20 ms", "", None)


def test_a_record_of_nothing_can_be_compared() -> None:
    assert {row.recorded for row in compare({"response": None}, {}, {}, Timed(None, None))} == {"none", "0", ""}
