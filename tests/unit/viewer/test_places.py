from base64 import b64encode
from typing import Any

import pytest

from anyclaude.trace.conversation import Call, Image, Result, Said, Text, Thinking
from anyclaude.viewer.places import at, picture, plain
from anyclaude.viewer.talk import OF_A_TEXT, shown
from tests.support.png import red_square

_PNG = b64encode(red_square()).decode()


def _said(*blocks: Any) -> Said:
    return Said("user", blocks)


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
