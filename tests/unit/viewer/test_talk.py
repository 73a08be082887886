from base64 import b64encode
from typing import Any

import pytest

from anyclaude.trace.conversation import Call, Document, Image, Link, Result, Said, Text, Thinking
from anyclaude.viewer.talk import OF_A_TEXT, Room, at, picture, plain, shown
from tests.support.png import red_square

_PNG = b64encode(red_square()).decode()


def _said(*blocks: Any, who: str = "user") -> Said:
    return Said(who, blocks)


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


def test_each_place_leads_to_the_whole() -> None:
    long = "y" * (2 * OF_A_TEXT)
    call = Call("1", "Read", {"a": "first", "b": long}, result=Result("1", (Text("r"), Text(long))))
    said = [_said(Text("t")), _said(Thinking(long), call)]
    items = shown(said, 9).messages[1].items
    places = [items[0].place, items[1].arguments[1][1].place, (items[1].result or ())[1].place]
    for place in places:
        found = at(said, place)
        assert found is not None
        assert plain(found) == long


@pytest.mark.parametrize(
    "place",
    ["", ".", "9", "0.9", "0.0.result.0", "0.0.argument.0", "-1.0", "0.-1", "a.b", "1.0.result.9", "0.0.x"],
)
def test_places_that_are_none(place: str) -> None:
    assert at([_said(Text("t")), _said(Call("1", "Read", {}, result=Result("1", ())))], place) is None


def test_a_picture_is_known_by_its_bytes_and_by_nothing_else() -> None:
    assert picture(Image("text/html", _PNG)) == (red_square(), "image/png")
    svg = b64encode(b"<svg onload=alert(1)>").decode()
    for data in (svg, "", "%%%", _PNG[:20] + "%" + _PNG[21:], "é"):
        assert picture(Image("image/png", data)) is None
    assert picture(Text("x")) is None


@pytest.mark.parametrize(
    ("begins", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", None),
    ],
)
def test_kinds_of_pictures(begins: bytes, kind: str | None) -> None:
    found = picture(Image("", b64encode(begins + b"rest of it").decode()))
    assert (found and found[1]) == kind


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", " https://a.example", "file:///etc/passwd"])
def test_links_lead_to_the_web_or_nowhere(url: str) -> None:
    (message,) = shown([_said(Link("a page", url))], 1).messages
    assert message.items[0].url == ""


def test_a_document_by_its_name() -> None:
    (message,) = shown([_said(Document("notes", "text/plain", text="words"))], 1).messages
    assert message.items[0].title == "notes"
