"""Answers that go round in circles end; those that only look a little alike do not."""

from typing import Any

import pytest

from anyclaude.convert.repetition import CirclingText, same_call_again
from anyclaude.wire.events import Finished, ModelEvent, TextDelta, ThinkingDelta, ToolArgsDelta, ToolCallStart


def ended(text: str, kind: type[TextDelta] | type[ThinkingDelta] = TextDelta, step: int = 7) -> int | None:
    """After how many characters an answer of that text is ended; None when it goes on to its end."""
    guard = CirclingText()
    for at in range(0, len(text), step):
        events = guard.feed([kind(text[at : at + step])])
        if events and isinstance(events[-1], Finished):
            said = events[-2]
            assert isinstance(said, TextDelta)
            assert "repeated itself" in said.text
            assert guard.feed([TextDelta("more")]) == (), "nothing follows the end"
            return at
    return None


@pytest.mark.parametrize("kind", [TextDelta, ThinkingDelta])
@pytest.mark.parametrize(
    "period", ["a", "and so ", "One sentence, and the same again. " * 3, "".join(map(chr, range(40, 1200)))]
)
def test_a_text_that_repeats_itself_is_ended(period: str, kind: type[TextDelta] | type[ThinkingDelta]) -> None:
    at = ended("It began well. " + period * (20_000 // len(period)), kind)
    assert at is not None
    assert at < 14_000


def test_a_text_that_does_not_is_left_alone() -> None:
    table = "".join(f"| row {n} | {n * n} |\n" for n in range(2_000))
    assert ended(table) is None
    assert ended("-" * 2_000 + "\n" + table) is None
    assert ended(("The same paragraph, five times over. " * 20 + "\n") * 3 + table) is None


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("0 " * 50 + "\n", 100),
        ("." * 80 + "\n", 60),
        ("    " + "0x00, " * 16 + "\n", 100),
        ("INSERT INTO t (name, active) VALUES ('test', true);\n", 150),
        ("I will not waste chalk on the board in class again.\n", 100),
        ("  <tr><td></td><td></td><td></td></tr>\n", 200),
        ("A paragraph to fill the page, and one sentence more. " * 10 + "\n\n", 15),
        ("A", 8192),
    ],
    ids=["zeros", "board", "array", "records", "chalk", "rows", "filling", "base64"],
)
def test_what_a_person_asks_for_may_repeat_itself(line: str, times: int) -> None:
    assert ended(line * times + "\nThat was it.") is None


def test_an_answer_that_has_called_ends_with_its_call() -> None:
    guard = CirclingText()
    guard.feed([ToolCallStart("1", "Read"), ToolArgsDelta("{}")])
    assert guard.feed([TextDelta("again " * 3_000)])[-1] == Finished("tool_use")


def test_a_long_file_that_a_call_writes_is_no_text() -> None:
    guard = CirclingText()
    events: list[ModelEvent] = [ToolCallStart("1", "Write"), *(ToolArgsDelta("0,0,0,0,") for _ in range(5_000))]
    assert guard.feed(events) is events


def use(number: int, **written: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": f"c{number}", "name": written.pop("name", "Bash"), "input": written}
    return {"role": "assistant", "content": [{"type": "text", "text": f"Attempt {number}."}, block]}


def result(number: int, content: str, *more: dict[str, Any]) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": f"c{number}", "content": content}
    return {"role": "user", "content": [block, *more]}


def rounds(times: int, **written: Any) -> list[dict[str, Any]]:
    return [message for n in range(times) for message in (use(n, **written), result(n, "no such file"))]


START = {"role": "user", "content": "Find it."}


def test_the_same_call_with_the_same_result_ends_the_turn() -> None:
    said = same_call_again({"messages": [START, *rounds(3, command="ls x")]})
    assert said is not None
    assert "Bash 3 times" in said


@pytest.mark.parametrize(
    "messages",
    [
        [START],
        [START, *rounds(2, command="ls x")],
        [START, *rounds(2, command="ls x"), use(2, command="ls y"), result(2, "no such file")],
        [START, *rounds(2, command="ls x"), use(2, command="ls x"), result(2, "found")],
        [START, *rounds(3, command="ls x"), {"role": "user", "content": "Go on."}],
        [START, *rounds(3, command="sleep 5; ls x")],
        [START, *rounds(3, name="TaskOutput", task_id="1")],
        [
            START,
            *rounds(2, command="ls x"),
            use(2, command="ls x"),
            result(2, "no such file", {"type": "text", "text": "Stop!"}),
        ],
        [{"role": "user", "content": "no results"}, {"role": "assistant", "content": "none"}] * 3,
    ],
)
def test_a_turn_that_goes_somewhere_does_not_end(messages: list[dict[str, Any]]) -> None:
    assert same_call_again({"messages": messages}) is None


def test_reminders_are_not_the_persons_words() -> None:
    reminder = {"type": "text", "text": "<system-reminder>\nTasks.\n</system-reminder>"}
    messages = [START, *rounds(2, command="ls"), use(2, command="ls"), result(2, "no such file", reminder)]
    assert same_call_again({"messages": [*messages, {"role": "system", "content": "A reminder."}]}) is not None
