"""What there is of a record, whatever it is."""

from typing import Any

import pytest

from anyclaude.trace.conversation import said
from anyclaude.trace.parts import compact, mapping, mappings, notes, number, pretty, upstream_body, word
from anyclaude.trace.prompts import blocks_of


@pytest.mark.parametrize("odd", [None, True, "1", float("nan"), float("inf"), 10**400, -1e16, []])
def test_what_is_no_number(odd: object) -> None:
    assert number(odd) is None


def test_numbers() -> None:
    assert (number(3), number(0.5), number(3, int), number(0.5, int)) == (3, 0.5, 3, None)


def test_of_a_wrong_type_is_not_there() -> None:
    assert (mapping([1]), mappings({"a": 1}), mappings([1, {"a": 1}])) == ({}, [], [{"a": 1}])
    assert notes({"notes": ["x", {"kind": "route"}, {"kind": "usage"}]}, "route") == [{"kind": "route"}]
    assert upstream_body({"upstream": [{"body": {"a": 1}}, {"body": {"a": 2}}]}) == {"a": 2}
    assert upstream_body({"upstream": 3}) == {}


def test_a_word_is_one_line() -> None:
    assert word(" a\x1b[2J\n\tb\u202e ") == "a[2J b"
    assert (len(word("x" * 500)), word(None)) == (200, "")


def test_nested_deeper_than_can_be_written() -> None:
    deep: Any = []
    for _ in range(990):
        deep = [deep]
    assert compact(deep) == pretty(deep) == "(nested too deep to be shown)"
    assert blocks_of({"messages": [{"role": "user", "content": [deep]}]})[0].text.startswith("(nested")
    assert said([{"role": "user", "content": [{"type": "tool_use", "input": deep}]}])
