"""Fragments of one call were taken for several calls, and several calls for one.

Some servers make up a new id for every fragment: each one began a call of its own, and the arguments were torn apart.
And a call without arguments swallowed the next one where all have index 0, or none, and no id.
"""

from typing import Any

import pytest

from tests.support.streams import call, content, finish

ARGS = {"city": "Paris"}


@pytest.mark.parametrize("last", ['"Paris"}', '"Paris"}|'])
def test_a_new_id_for_every_fragment_is_still_one_call(last: str) -> None:
    pieces = ['{"city":', *last.split("|")]
    chunks = [call(0, f"made-up-{number}", None if number else "weather", piece) for number, piece in enumerate(pieces)]
    assert content(*chunks, finish("tool_calls")) == [
        {"type": "tool_use", "id": "made-up-0", "name": "weather", "input": ARGS}
    ]


@pytest.mark.parametrize("index", [0, None])
def test_a_call_without_arguments_does_not_swallow_the_next_one(index: int | None) -> None:
    blocks: list[Any] = list(content(call(index, None, "clock", ""), call(index, None, "weather", ARGS), finish()))
    assert [(block["name"], block["input"]) for block in blocks] == [("clock", {}), ("weather", ARGS)]


def test_the_same_name_again_goes_on_with_the_call() -> None:
    chunks = [call(0, None, "weather", piece) for piece in ("", '{"city":', '"Paris"}')]
    assert [block["input"] for block in content(*chunks, finish())] == [ARGS]
