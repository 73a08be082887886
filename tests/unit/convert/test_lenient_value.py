"""What models write in place of JSON, and what is no value at all."""

from typing import Any

import pytest

from anyclaude.convert.lenient_value import lenient_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("{'a': True, b: [1, 2,], }", {"a": True, "b": [1, 2]}),
        ("{'it': 'it\\'s', \"q\": 'say \"hi\"'}", {"it": "it's", "q": 'say "hi"'}),
        ("[None, False, undefined]", [None, False, None]),
        ('{"path": "C:\\Users"}', {"path": "C:\\Users"}),
        ("{$key-1: -2.5e3}", {"$key-1": -2500.0}),
        ("5", 5),
        ("'text'", "text"),
    ],
)
def test_it_is_understood(text: str, value: Any) -> None:
    assert lenient_value(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "null", "None", "nope", "[1, 2", '"open', "{a: b}", "{'a' 'b'}", '{"a": 1} {"b": 2}', "[,]1", "{1: 2", "''''"],
)
def test_nothing_is_guessed(text: str) -> None:
    assert lenient_value(text) is None


def test_long_nonsense_takes_no_time() -> None:
    for nonsense in ('"' * 200_000, "[" * 200_000, "'\\" * 100_000, "{a:" * 60_000):
        assert lenient_value(nonsense) is None
