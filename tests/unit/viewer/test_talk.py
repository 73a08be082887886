from typing import Any

import pytest

from anyclaude.trace.conversation import Call, Document, Link, Result, Said, Text
from anyclaude.viewer.talk import OF_A_TEXT, Room, shown


def _said(*blocks: Any) -> Said:
    return Said("user", blocks)


def test_the_newest_messages_are_shown_and_the_others_counted() -> None:
    talk = shown([_said(Text(str(number))) for number in range(10)], 3)
    assert [message.number for message in talk.messages] == [7, 8, 9]
    assert talk.earlier == 7


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    (message,) = shown([_said(Text("x" * (OF_A_TEXT + 5)))], 1).messages
    words = message.items[0].words
    assert words is not None
    assert (len(words.pieces[0].text), words.left_out, words.place) == (OF_A_TEXT, 5, "0.0")


def test_the_room_of_a_page_goes_to_the_newest() -> None:
    talk = shown([_said(Text("a" * 40)), _said(Text("b" * 40), Text("c" * 40))], 2, Room(60))
    left_out = [item.words.left_out for message in talk.messages for item in message.items if item.words]
    assert left_out == [40, 20, 0]


def test_code_between_fences_stands_apart() -> None:
    (message,) = shown([_said(Text("before\n```python\nx = 1\n```\nafter"))], 1).messages
    words = message.items[0].words
    assert words is not None
    assert [(piece.text, piece.code) for piece in words.pieces] == [
        ("before", False),
        ("x = 1", True),
        ("after", False),
    ]


def test_a_call_shows_what_says_most_and_its_result() -> None:
    call = Call("1", "Bash", {"timeout": 3, "command": "make\ntest"}, result=Result("1", (Text("done"),), error=True))
    (message,) = shown([_said(call)], 1).messages
    item = message.items[0]
    assert item.words is not None
    assert item.words.pieces[0].text == "make test"
    assert [name for name, _ in item.arguments] == ["timeout", "command"]
    assert item.failed
    assert item.result is not None


def test_an_edit_is_shown_as_a_difference() -> None:
    call = Call("1", "Edit", {"file_path": "a", "old_string": "one\ntwo", "new_string": "one\nthree"})
    (message,) = shown([_said(call)], 1).messages
    assert message.items[0].edit == (" one", "-two", "+three")


def test_arguments_of_any_shape() -> None:
    for given in (None, 3, [1], "{cut", {"deep": {"deeper": None}}, {}):
        assert shown([_said(Call("", "", given))], 1).messages


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", " https://a.example", "file:///etc/passwd"])
def test_links_lead_to_the_web_or_nowhere(url: str) -> None:
    (message,) = shown([_said(Link("a page", url))], 1).messages
    assert message.items[0].url == ""


def test_a_document_by_its_name() -> None:
    (message,) = shown([_said(Document("notes", "text/plain", text="words"))], 1).messages
    assert message.items[0].title == "notes"
