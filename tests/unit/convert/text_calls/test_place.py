"""Where code begins and ends in a Markdown text, and where a call may stand."""

import pytest

from anyclaude.convert.text_calls.place import Place

IN_CODE = {
    "```\n": True,
    "```py\nx = 1\n": True,
    "```\nx\n```\n": False,
    "```\nx\n``` \t\n": False,
    "```\nx\n```` \n": False,
    "````\nx\n```\n": True,
    "```\nx\n``` y\n": True,
    "~~~\nx\n```\n": True,
    "~~~ `a`\n": True,
    "``` `a`\n": False,
    "  ```\n": True,
    "      ```\n": True,
    "- ```\n": True,
    "1. ```\n": True,
    "> ```\n": True,
    "> ```\n> ```\n": False,
    "a ```\n": False,
    "```": True,
    "~~~ ": True,
    "`a": True,
    "`a` ": False,
    "``a` ": True,
    "``a`` ": False,
    "`a\n": False,
    "``\n": False,
    "a\n": False,
    "": False,
}


@pytest.mark.parametrize("text", IN_CODE)
def test_code(text: str) -> None:
    for size in (len(text) or 1, 1, 2):
        place = Place()
        for at in range(0, len(text), size):
            place.feed(text[at : at + size])
        assert place.in_code == IN_CODE[text], size


@pytest.mark.parametrize(
    "text", ["", "\n", "a\n", "a\n   ", "It is so.", "So: ", "Now!\t", "Gut\u2026 ", "\u597d\u3002", "```\n```\n"]
)
def test_places_where_a_call_may_stand(text: str) -> None:
    place = Place()
    place.feed(text)
    assert place.is_free


@pytest.mark.parametrize("text", ["a", "a ", "a\n    ", "a\n\t", "> ", "- ", "`a`", "it is, ", "```\n", "(", "| a | "])
def test_places_where_it_may_not(text: str) -> None:
    place = Place()
    place.feed(text)
    assert not place.is_free


def test_a_long_line_costs_no_memory() -> None:
    place = Place()
    for _ in range(1000):
        place.feed("x" * 1000)
    assert len(place._head) <= 200
    assert not place.is_free
