"""Requests that repeat a conversation, put together again."""

from typing import Any

from anyclaude.trace.conversation import Call, Result, Said, Text
from anyclaude.trace.threads import threads
from tests.support.records import assistant, call, record, result, user

TOOLS = {"body": {"tools": [{"name": "Read"}]}}
OK = {"type": "text", "text": "ok"}


def main(messages: Any, *answer: Any, **parts: Any) -> dict[str, Any]:
    return record(tuple(messages), answer, **{**TOOLS, **parts})


def said(*records: dict[str, Any]) -> list[Said]:
    (thread,) = threads(records)
    return list(thread.said)


def test_each_message_once_and_a_result_with_the_call_of_the_answer_before() -> None:
    first = [user("read it")]
    second = [*first, assistant({"type": "text", "text": "I will."}, call("a")), user(result("a", "1"))]
    found = said(main(first, {"type": "text", "text": "I will."}, call("a")), main(second, OK))
    assert found == [
        Said("user", (Text("read it"),)),
        Said("assistant", (Text("I will."), Call("a", "Read", {}, result=Result("a", (Text("1"),)))), answer=True),
        Said("assistant", (Text("ok"),), answer=True),
    ]


def test_a_request_that_was_repeated_adds_only_its_answer() -> None:
    failed = main([user("hi")], outcome="error", error="full")
    assert [turn.who for turn in said(failed, main([user("hi")], OK))] == ["user", "assistant", "assistant"]


def test_reminders_and_thoughts_do_not_make_another_history() -> None:
    first = [user("hi", "<system-reminder>one</system-reminder>")]
    thought = {"type": "thinking", "thinking": "hm"}
    second = [user("hi"), assistant(thought, OK), user("and?")]
    third = [user("hi"), assistant(OK), user("and?"), assistant("so"), user("end")]
    found = said(main(first, thought, OK), main(second, {"type": "text", "text": "so"}), main(third, OK))
    assert [turn.who for turn in found] == ["user", "assistant"] * 3


def test_a_history_that_became_another_is_told() -> None:
    first = [user("one"), assistant("two"), user("three")]
    found = said(main(first, OK), main([user("one"), assistant("TWO"), user("four")], OK), main([user("new")], OK))
    told = [turn.blocks[0] for turn in found if turn.who == "anyclaude"]
    assert told == [
        Text("From here on the history is another one. It begins with 1 of the 3 messages before."),
        Text("From here on the history is another one. Nothing before is in it."),
    ]


def test_agents_and_side_requests_apart() -> None:
    side = record((user("title?"),), (OK,), body={"tools": []})
    other = record((user("another title?"),), (OK,), body={"tools": []})
    found = threads([side, main([user("hi")], OK), main([user("look")], OK, agent="a1"), other])
    assert [(thread.agent, thread.role, len(thread.asked)) for thread in found] == [
        ("", "main", 1),
        ("a1", "subagent", 1),
        ("", "background", 2),
    ]
    assert [turn.who for turn in found[2].said] == ["user", "assistant"] * 2


def test_why_it_was_slow_is_told_against_the_request_before_of_the_thread() -> None:
    one = main([user("hi")], OK)
    two = main([user("HI")], OK)
    (thread,) = threads([one, two])
    assert thread.asked[0].slow.change is None
    assert thread.asked[1].slow.change is not None
