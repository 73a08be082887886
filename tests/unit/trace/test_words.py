"""What of a record can be searched: what is new in its turn, once, and nothing of what Claude Code adds."""

from typing import Any

import pytest

from anyclaude.trace.words import LONGEST, MOST, opening_of, without_reminders, words_of

REMINDER = "<system-reminder>\nbe brief\n</system-reminder>\n"


def record(*messages: Any, answer: Any = ()) -> dict[str, Any]:
    return {"request": {"body": {"messages": list(messages)}}, "response": {"body": {"content": list(answer)}}}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_only_what_came_after_the_last_answer_and_the_answer() -> None:
    call = {"type": "tool_use", "name": "Bash", "input": {"command": "ls\n-la", "more": {"paths": ["/tmp", 3]}}}
    result = {"type": "tool_result", "content": [text("main.py"), {"type": "image", "source": {"data": "AAAA"}}]}
    told = record(
        user(text("old question")),
        {"role": "assistant", "content": [text("old answer")]},
        user(result, text("new question")),
        {"role": "system", "content": "a list of agents"},
        answer=[{"type": "thinking", "thinking": "hm"}, text("new answer"), call],
    )
    assert words_of(told) == "main.py\nnew question\nhm\nnew answer\nBash ls\n-la /tmp"


def test_reminders_are_nobodys_words() -> None:
    told = record(user(text(REMINDER), text(REMINDER + "hello"), {"type": "tool_result", "content": "out" + REMINDER}))
    assert words_of(told) == "hello\nout"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a<system-reminder>b</system-reminder>c", "ac"),
        ("a<system-reminder>b", "a"),
        ("a</system-reminder>b", "a</system-reminder>b"),
        ("<system-reminder>a<system-reminder>b</system-reminder>c", "c"),
    ],
)
def test_a_reminder_ends_where_it_is_closed(text: str, left: str) -> None:
    assert without_reminders(text) == left


def test_a_turn_has_bounds() -> None:
    blocks = [text(f"word{number} " + "x" * 2 * LONGEST) for number in range(50)]
    found = words_of(record(user(*blocks)))
    assert len(found) == MOST
    assert "word0" in found


def test_nothing_in_it_steers_a_terminal() -> None:
    assert words_of(record(user(text("a\x1b[2J\x02\u202eb\n\tc")))) == "a[2Jb\n\tc"


def test_the_opening_is_what_the_user_said_first() -> None:
    messages = [user(text(REMINDER), text("fix\n the  bug")), user(text("later"))]
    assert opening_of({"messages": messages}) == "fix the bug"
    assert opening_of({"messages": [{"role": "user", "content": "plain"}]}) == "plain"


@pytest.mark.parametrize("body", [None, [], "x", {"messages": 3}, {"messages": [None, {"role": "user", "content": 3}]}])
def test_of_any_shape(body: Any) -> None:
    assert words_of({"request": {"body": body}}) == ""
    assert words_of({"request": body, "response": body}) == ""
