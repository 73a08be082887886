from typing import Any

import pytest

from tests.support.script import Breaks, Calls, Says, Step, Thinks, Together, Waits, calls, chunks, cut, reply


def deltas(*steps: Step) -> list[Any]:
    """The deltas between the role and the finish; a pause stands for itself."""
    payloads = list(chunks(reply(*steps), "m", "s1"))[1:-2]
    return [payload if isinstance(payload, str) else payload["choices"][0]["delta"] for payload in payloads]


def test_a_reply_begins_with_the_role_and_ends_with_the_finish_and_the_usage() -> None:
    payloads = list(chunks(reply(Says("hello", pieces=1)), "m", "s1"))
    first, _, last, usage = (payload for payload in payloads if not isinstance(payload, str))
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 120


def test_text_and_thinking_come_in_pieces() -> None:
    assert deltas(Thinks("ab"), Says("wxyz", pieces=2)) == [
        {"reasoning_content": "a"},
        {"reasoning_content": "b"},
        {"content": "wx"},
        {"content": "yz"},
    ]


def test_a_call_without_pieces_comes_whole() -> None:
    (delta,) = deltas(Calls("Read", "{}", id="c1", pieces=0))
    assert delta["tool_calls"][0]["function"] == {"name": "Read", "arguments": "{}"}
    assert delta["tool_calls"][0]["id"] == "c1"


def test_calls_together_come_by_turns() -> None:
    both = Together((calls("Read", path="a"), calls("Bash", command="ls")))
    indexes = [delta["tool_calls"][0]["index"] for delta in deltas(both)]
    assert indexes == [0, 1] * 4


def test_a_reply_that_calls_finishes_with_tool_calls() -> None:
    assert reply(Says("x"), calls("Read")).finish == "tool_calls"


def test_nothing_follows_a_break() -> None:
    payloads = list(chunks(reply(Says("x"), Breaks(), Says("y")), "m", "s1"))
    assert payloads[-1] == "end"


def test_what_follows_a_wait_still_comes() -> None:
    assert deltas(Waits(), Says("x")) == ["wait", {"content": "x"}]


CUTS = [("", 3, [""]), ("ab", 5, ["a", "b"]), ("abcde", 2, ["ab", "cde"])]


@pytest.mark.parametrize(("text", "pieces", "expected"), CUTS)
def test_cut(text: str, pieces: int, expected: list[str]) -> None:
    assert cut(text, pieces) == expected
