"""The scanner finds the end of a JSON object, however its text is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.convert.tool_args import ObjectScanner

WORDS = st.text(max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=4)


def scan(pieces: list[str]) -> tuple[str, bool]:
    scanner = ObjectScanner()
    return "".join(scanner.feed(piece) for piece in pieces), scanner.complete


@given(OBJECTS, WORDS, st.data())
def test_any_cut_gives_the_object_and_nothing_after_it(value: object, rest: str, data: st.DataObject) -> None:
    whole = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole + rest)))))
    pieces = [(whole + rest)[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    assert scan(pieces) == (whole, True)


@given(OBJECTS, st.data())
def test_no_beginning_is_complete(value: object, data: st.DataObject) -> None:
    whole = json.dumps(value)
    beginning = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert scan(list(beginning)) == (beginning, False)


@pytest.mark.parametrize("text", ["", "  ", "null", '"words"', "12"])
def test_what_is_no_object_is_handed_through(text: str) -> None:
    assert scan([text]) == (text, False)
