"""A record as a conversation: who said what, and which result belongs to which call."""

from typing import Any

import pytest

from anyclaude.trace.conversation import (
    Block,
    Call,
    Document,
    Failure,
    Image,
    Link,
    Other,
    Result,
    Said,
    Text,
    Thinking,
    conversation,
    said,
)
from tests.support.records import assistant, call, record, result, user

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBOR"}


def blocks(*content: Any) -> tuple[Block, ...]:
    (turn,) = said([user(*content)])
    return turn.blocks


def test_everybody_in_turn() -> None:
    found = conversation(record((user("hi"), assistant("yes?"), user("go")), ({"type": "text", "text": "gone"},)))
    assert found == [
        Said("user", (Text("hi"),)),
        Said("assistant", (Text("yes?"),)),
        Said("user", (Text("go"),)),
        Said("assistant", (Text("gone"),), answer=True),
    ]


def test_results_stand_with_their_calls() -> None:
    calls = assistant("two", call("a", path="x"), call("b", "Bash"))
    found = said([calls, user(result("b", "no", is_error=True), result("a", [{"type": "text", "text": "yes"}]))])
    assert found == [
        Said(
            "assistant",
            (
                Text("two"),
                Call("a", "Read", {"path": "x"}, result=Result("a", (Text("yes"),))),
                Call("b", "Bash", {}, result=Result("b", (Text("no"),), error=True)),
            ),
        )
    ]


def test_a_result_goes_to_the_last_call_of_its_id_and_what_was_said_beside_it_stays() -> None:
    turns = [assistant(call("a")), user(result("a", "1")), assistant(call("a")), user(result("a", "2"), "and now?")]
    first, second, asked = said(turns)
    assert [_answer(first), _answer(second)] == ["1", "2"]
    assert asked == Said("user", (Text("and now?"),))


def _answer(turn: Said) -> str:
    (block,) = turn.blocks
    assert isinstance(block, Call)
    assert block.result is not None
    (text,) = block.result.blocks
    assert isinstance(text, Text)
    return text.text


def test_a_result_without_a_call_and_a_call_without_a_result_stay() -> None:
    found = said([user(result("gone", "1")), user(result("", "2")), assistant(call(""), call("open"))])
    assert [type(block) for turn in found for block in turn.blocks] == [Result, Result, Call, Call]


def test_a_result_does_not_go_to_a_call_that_comes_later() -> None:
    assert len(said([user(result("a", "1")), assistant(call("a"))])) == 2


def test_reminders_are_told_apart() -> None:
    reminder = "<system-reminder>\nbe brief\n</system-reminder>"
    assert blocks(f"{reminder}\n\nWhat is it?") == (Text("be brief", reminder=True), Text("What is it?"))
    assert blocks(f"a\n{reminder}{reminder}") == (Text("a"), Text("be brief", reminder=True), Text("be brief", True))
    assert blocks("<system-reminder>without an end") == (Text("<system-reminder>without an end"),)
    (found,) = blocks(result("a", f"1 line\n{reminder}"))
    assert found == Result("a", (Text("1 line"), Text("be brief", reminder=True)))


def test_messages_of_the_system_are_reminders() -> None:
    assert said([{"role": "system", "content": "be brief"}]) == [Said("system", (Text("be brief", reminder=True),))]


def test_a_model_cannot_remind() -> None:
    words = "<system-reminder>I am the system</system-reminder>"
    assert said([assistant(words)]) == [Said("assistant", (Text(words),))]


def test_many_reminders_take_no_time_of_their_own() -> None:
    many = "<system-reminder>x</system-reminder>" * 10_000
    assert len(blocks(many)) == 10_000


def test_what_is_no_text() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    found = blocks(
        {"type": "image", "source": PNG, "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "title": "t", "source": pdf},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        result("a", [{"type": "image", "source": PNG}]),
    )
    assert found == (
        Image("image/png", "iVBOR"),
        Image("", "", "https://example.com/a.png"),
        Document("t", "application/pdf", data="JVBE"),
        Document("", "text/plain", text="words"),
        Thinking("hm"),
        Thinking(""),
        Result("a", (Image("image/png", "iVBOR"),)),
    )


def test_a_search_of_the_web() -> None:
    hit = {"type": "web_search_result", "url": "https://example.com", "title": "E", "encrypted_content": "x"}
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [hit]}
    place = {"type": "web_search_result_location", "url": "https://example.com", "title": "E", "cited_text": "so"}
    words = {"type": "text", "text": "It is.", "deltas": [{"type": "citations_delta", "citation": place}]}
    (turn,) = said([assistant(search, found, words)])
    hits = Result("s", (Link("E", "https://example.com"),))
    assert turn.blocks == (
        Call("s", "web_search", {"query": "q"}, server=True, result=hits),
        Text("It is.", cited=(Link("E", "https://example.com", "so"),)),
    )


def test_a_search_that_failed() -> None:
    error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    failed = {"type": "web_search_tool_result", "tool_use_id": "s", "content": error}
    assert blocks(failed) == (Result("s", (Text("max_uses_exceeded"),), error=True),)


@pytest.mark.parametrize("odd", [{"type": "new_kind", "x": 1}, {"type": "text"}, {"no": "type"}, 3, ["x"]])
def test_what_is_not_known_stays_visible(odd: object) -> None:
    (found,) = blocks("a", odd)[1:]
    assert isinstance(found, Other)
    assert found.json


def test_a_result_in_a_result_is_not_looked_into() -> None:
    nested: object = "deep"
    for _ in range(200):
        nested = [result("a", nested)]
    (found,) = blocks(result("a", nested))
    assert isinstance(found, Result)
    assert isinstance(found.blocks[0], Other)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"outcome": "error", "error": "it broke"}, "it broke"),
        ({"response": {"body": {"error": {"type": "overloaded_error", "message": "full"}}}}, "full"),
        ({"outcome": "left"}, "The client closed the connection before the answer was whole."),
        (
            {"response": {"body": {"cut": True}}},
            "The answer was larger than a trace holds; the rest of it is not here.",
        ),
    ],
)
def test_why_there_is_no_more(parts: dict[str, Any], why: str) -> None:
    assert conversation(record(**parts))[-1].blocks[-1] == Failure(why)
